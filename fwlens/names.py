"""Knows Azure's names: regions and service tags, in the spelling that is published.

A region has an ARM name (`westeurope`), which stands in hosts, and a suffix (`WestEurope`), which service tags bear.
The ARM name is the suffix in lower case; AzureCloud's own tags use a short form, which differs for some regions.
https://learn.microsoft.com/azure/virtual-network/service-tags-overview (names as in the published files)
"""

import difflib
import re
from typing import Final

from fwlens.errors import FwlensError
from fwlens.rule import Endpoint

REGION: Final = "<region>"

REGIONS: Final = (
    "AustraliaCentral", "AustraliaCentral2", "AustraliaEast", "AustraliaSoutheast", "AustriaEast", "BelgiumCentral",
    "BrazilSouth", "BrazilSoutheast", "CanadaCentral", "CanadaEast", "CentralIndia", "CentralUS", "CentralUSEUAP",
    "ChileCentral", "ChinaEast", "ChinaEast2", "ChinaEast3", "ChinaNorth", "ChinaNorth2", "ChinaNorth3", "EastAsia",
    "EastUS", "EastUS2", "EastUS2EUAP", "EastUS2Stage", "EastUSSTG", "FranceCentral", "FranceSouth", "GermanyNorth",
    "GermanyWestCentral", "IndonesiaCentral", "IsraelCentral", "IsraelNorthwest", "ItalyNorth", "JapanEast",
    "JapanWest", "JioIndiaCentral", "JioIndiaWest", "KoreaCentral", "KoreaSouth", "MalaysiaSouth", "MalaysiaWest",
    "MexicoCentral", "NewZealandNorth", "NorthCentralUS", "NorthCentralUSStage", "NorthEurope", "NorwayEast",
    "NorwayWest", "PolandCentral", "QatarCentral", "SouthAfricaNorth", "SouthAfricaWest", "SouthCentralUS",
    "SouthCentralUS2", "SouthCentralUSSTG", "SouthIndia", "SoutheastAsia", "SoutheastUS", "SoutheastUS3",
    "SpainCentral", "SwedenCentral", "SwedenSouth", "SwitzerlandNorth", "SwitzerlandWest", "TaiwanNorth",
    "TaiwanNorthwest", "UAECentral", "UAENorth", "UKSouth", "UKWest", "USDoDCentral", "USDoDEast", "USGovArizona",
    "USGovIowa", "USGovTexas", "USGovVirginia", "WestCentralUS", "WestEurope", "WestIndia", "WestUS", "WestUS2",
    "WestUS3",
)  # fmt: skip

# Where `properties.region` of the published file, and the suffix of AzureCloud, is not the ARM name.
SHORT: Final = {
    "BrazilSoutheast": "brazilse", "ChileCentral": "chilec", "EastUSSTG": "usstagee", "FranceCentral": "centralfrance",
    "FranceSouth": "southfrance", "GermanyNorth": "germanyn", "GermanyWestCentral": "germanywc",
    "NorwayEast": "norwaye", "NorwayWest": "norwayw", "SouthCentralUSSTG": "usstagec",
    "SwitzerlandNorth": "switzerlandn", "SwitzerlandWest": "switzerlandw",
}  # fmt: skip

# Names that documents or people write otherwise than they are published (compared without case).
ALIASES: Final = {
    "frontdoor.firstparty": "AzureFrontDoor.FirstParty",
    "frontdoor.frontend": "AzureFrontDoor.Frontend",
    "frontdoor.backend": "AzureFrontDoor.Backend",
    "azurefrontdoor.frontend": "AzureFrontDoor.Frontend",
    "keyvault": "AzureKeyVault",
    "containerregistry": "AzureContainerRegistry",
    "entraid": "AzureActiveDirectory",
    "microsoftentraid": "AzureActiveDirectory",
}
_UNREGIONAL: Final = ("Frontend", "FirstParty", "MicrosoftSecurity", "Backend", "ServiceEndpoint", "Core")
_TAGS: Final = {
    name.casefold(): name
    for name in (
        "AzureActiveDirectory", "AzureBackup", "AzureCloud", "AzureContainerRegistry", "AzureFrontDoor",
        "AzureKeyVault", "AzureMachineLearning", "AzureMonitor", "AzureResourceManager", "BatchNodeManagement",
        "MicrosoftContainerRegistry", "Storage", "VirtualNetwork",
    )
}  # fmt: skip

# What the platforms make of tags and names: service-tags-overview (table of available tags) for Azure Firewall, and
# https://learn.microsoft.com/azure/machine-learning/how-to-managed-network (list of required rules, FQDN rules).
_NOT_ON_FIREWALL: Final = frozenset(
    name.casefold()
    for name in (
        "VirtualNetwork", "Internet", "AzureLoadBalancer", "AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM",
        "GatewayManager", "KustoAnalytics", "AzureContainerAppsService",
    )
)  # fmt: skip
_AUTOMATIC: Final = frozenset(
    name.casefold()
    for name in (
        "AzureMachineLearning", "AzureActiveDirectory", "BatchNodeManagement", "AzureResourceManager",
        "AzureFrontDoor.FirstParty", "MicrosoftContainerRegistry", "AzureMonitor", "VirtualNetwork",
    )
)  # fmt: skip
_STORAGE: Final = (".core.windows.net", ".core.usgovcloudapi.net", ".core.chinacloudapi.cn")

_BY_NAME: Final = {name.casefold(): name for name in REGIONS} | {short: name for name, short in SHORT.items()}


def region(text: str) -> str:
    """A region in any spelling (`westeurope`, `WestEurope`, `germanywc`) as its published suffix.

    Raises FwlensError for what is no known region, with the nearest names.
    """
    name = "".join(text.split()).casefold()
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, sorted(_BY_NAME), n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Write the ARM name, such as westeurope."
    raise FwlensError(f"{text!r} is no Azure region that fwlens knows.{hint}")


def tag(text: str) -> str:
    """A service tag in any spelling as it is published; unknown names stay as they are.

    `keyvault.westeurope` becomes `AzureKeyVault.WestEurope`, `AzureFrontDoor.FrontEnd` `AzureFrontDoor.Frontend`, and
    `BatchNodeManagement.uswest` `BatchNodeManagement.WestUS` (one page turns the name of the region around).
    """
    folded = text.casefold()
    if folded in ALIASES:
        return ALIASES[folded]
    service, dot, suffix = text.partition(".")
    service = ALIASES.get(service.casefold(), _TAGS.get(service.casefold(), service))
    if not dot or REGION in suffix:
        return service + dot + suffix
    folded = suffix.casefold()
    special = {name.casefold(): name for name in _UNREGIONAL}
    turned = _BY_NAME.get(re.sub(r"^(us|europe|asia)(north|south|east|west)([0-9]?)$", r"\2\1\3", folded))
    name = special.get(folded) or _BY_NAME.get(folded) or turned or suffix
    if service == "AzureCloud" and name in REGIONS:
        name = SHORT.get(name, arm(name))
    return f"{service}.{name}"


def arm(name: str) -> str:
    """The ARM name of a published suffix."""
    return name.casefold()


def bind(endpoint: Endpoint, name: str) -> Endpoint:
    """An endpoint of the catalogue with its `<region>` replaced by a region (given as published suffix)."""
    if REGION not in endpoint.text:
        return endpoint
    spelled = arm(name)
    if endpoint.kind == "tag":
        spelled = SHORT.get(name, arm(name)) if endpoint.text.startswith("AzureCloud.") else name
    return Endpoint(endpoint.kind, endpoint.text.replace(REGION, spelled))


def is_on_firewall(tag: str) -> bool:
    """Whether Azure Firewall takes a service tag, whatever its region and case."""
    return tag.partition(".")[0].casefold() not in _NOT_ON_FIREWALL


def is_automatic(tag: str) -> bool:
    """Whether the managed network of a workspace makes the rule for a service tag, or a region of it, itself."""
    folded = tag.casefold()
    return folded in _AUTOMATIC or folded.partition(".")[0] in _AUTOMATIC


def is_storage(host: str) -> bool:
    """Whether a host, or all that a pattern covers, is a storage account: no name opens it in a managed network."""
    return host.endswith(_STORAGE)
