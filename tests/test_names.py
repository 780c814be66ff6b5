import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.errors import FwlensError
from fwlens.names import ALIASES, REGIONS, SHORT, arm, bind, is_automatic, is_on_firewall, is_storage, region, tag
from fwlens.rule import Endpoint


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("westeurope", "WestEurope"),
        ("WestEurope", "WestEurope"),
        ("West Europe", "WestEurope"),
        (" westeurope\n", "WestEurope"),
        ("EASTUS2EUAP", "EastUS2EUAP"),
        ("germanywc", "GermanyWestCentral"),
        ("germanywestcentral", "GermanyWestCentral"),
        ("centralfrance", "FranceCentral"),
        ("southfrance", "FranceSouth"),
        ("brazilse", "BrazilSoutheast"),
        ("chilec", "ChileCentral"),
        ("germanyn", "GermanyNorth"),
        ("norwaye", "NorwayEast"),
        ("norwayw", "NorwayWest"),
        ("switzerlandn", "SwitzerlandNorth"),
        ("switzerlandw", "SwitzerlandWest"),
        ("usstagee", "EastUSSTG"),
        ("usstagec", "SouthCentralUSSTG"),
        ("uksouth", "UKSouth"),
        ("uaenorth", "UAENorth"),
        ("usgovvirginia", "USGovVirginia"),
    ],
)
def test_a_region_is_one_in_every_spelling(text: str, name: str) -> None:
    assert region(text) == name


@given(st.sampled_from(REGIONS), st.data())
def test_every_region_comes_back_in_any_case(name: str, data: st.DataObject) -> None:
    text = "".join(data.draw(st.sampled_from([char.lower(), char.upper()])) for char in name)
    assert region(text) == region(arm(name)) == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("westerneurope", "Did you mean westeurope"),
        ("west-europe", "Did you mean westeurope"),
        ("atlantis", "Write the ARM name, such as westeurope."),
        ("", "Write the ARM name, such as westeurope."),
    ],
)
def test_an_unknown_region_is_refused_with_the_nearest_names(text: str, hint: str) -> None:
    with pytest.raises(FwlensError) as refused:
        region(text)
    assert str(refused.value).startswith(f"{text!r} is no Azure region that fwlens knows. {hint}")


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("AzureFrontDoor.FrontEnd", "AzureFrontDoor.Frontend"),
        ("azurefrontdoor.frontend", "AzureFrontDoor.Frontend"),
        ("Frontdoor.FirstParty", "AzureFrontDoor.FirstParty"),
        ("azurefrontdoor.firstparty", "AzureFrontDoor.FirstParty"),
        ("Keyvault.westeurope", "AzureKeyVault.WestEurope"),
        ("keyvault.<region>", "AzureKeyVault.<region>"),
        ("BatchNodeManagement.uswest", "BatchNodeManagement.WestUS"),
        ("BatchNodeManagement.uswest2", "BatchNodeManagement.WestUS2"),
        ("batchnodemanagement.europewest", "BatchNodeManagement.WestEurope"),
        ("BatchNodeManagement.GERMANYWC", "BatchNodeManagement.GermanyWestCentral"),
        ("storage", "Storage"),
        ("STORAGE.westeurope", "Storage.WestEurope"),
        ("azurecloud", "AzureCloud"),
        ("AzureCloud.WestEurope", "AzureCloud.westeurope"),
        ("azurecloud.francecentral", "AzureCloud.centralfrance"),
        ("AzureCloud.centralfrance", "AzureCloud.centralfrance"),
        ("MicrosoftEntraID", "AzureActiveDirectory"),
        ("azuremonitor", "AzureMonitor"),
        ("azuremonitor.core", "AzureMonitor.Core"),
        ("Storage.<region>", "Storage.<region>"),
        ("SomethingNew.WestEurope", "SomethingNew.WestEurope"),
        ("SomethingNew.Mars", "SomethingNew.Mars"),
        ("virtualnetwork", "VirtualNetwork"),
    ],
)
def test_a_service_tag_is_written_as_it_is_published(text: str, published: str) -> None:
    assert tag(text) == published


@given(
    st.sampled_from(["Storage", "keyvault", "AzureCloud", "BatchNodeManagement", "Unheard"]),
    st.sampled_from(["", *REGIONS, *SHORT.values()]),
)
def test_writing_a_tag_twice_changes_nothing(service: str, suffix: str) -> None:
    once = tag(f"{service}.{suffix}" if suffix else service)
    assert tag(once) == once
    assert tag(once.lower()).casefold() == once.casefold()


@pytest.mark.parametrize("alias", ALIASES)
def test_no_alias_leads_to_an_alias(alias: str) -> None:
    assert tag(ALIASES[alias]) == ALIASES[alias]


@pytest.mark.parametrize(
    ("text", "name", "bound"),
    [
        ("*.<region>.batch.azure.com", "WestEurope", "*.westeurope.batch.azure.com"),
        ("<region>.tundra.azureml.ms", "GermanyWestCentral", "germanywestcentral.tundra.azureml.ms"),
        ("tag:Storage.<region>", "WestEurope", "tag:Storage.WestEurope"),
        ("tag:Storage.<region>", "FranceCentral", "tag:Storage.FranceCentral"),
        ("tag:AzureCloud.<region>", "WestEurope", "tag:AzureCloud.westeurope"),
        ("tag:AzureCloud.<region>", "FranceCentral", "tag:AzureCloud.centralfrance"),
        ("login.x.com", "WestEurope", "login.x.com"),
        ("x.com/<region>/*", "UKSouth", "x.com/uksouth/*"),
    ],
)
def test_a_region_is_bound_in_the_spelling_of_hosts_or_of_tags(text: str, name: str, bound: str) -> None:
    assert str(bind(Endpoint.parse(text), name)) == bound
    assert bind(Endpoint.parse(text), name).is_concrete


@pytest.mark.parametrize(
    ("name", "on_firewall", "automatic"),
    [
        ("Storage.WestEurope", True, False),
        ("VirtualNetwork", False, True),
        ("azureloadbalancer", False, False),
        ("AzureMonitor", True, True),
        ("batchnodemanagement.westus", True, True),
        ("AzureFrontDoor.FirstParty", True, True),
        ("AzureFrontDoor.Frontend", True, False),
    ],
)
def test_what_platforms_make_of_a_tag_is_known_in_one_place(name: str, on_firewall: bool, automatic: bool) -> None:
    assert (is_on_firewall(name), is_automatic(name)) == (on_firewall, automatic)


def test_a_storage_account_is_known_by_its_suffix() -> None:
    assert [is_storage(host) for host in ("a.blob.core.windows.net", "*.file.core.chinacloudapi.cn")] == [
        True,
        True,
    ]
    assert not is_storage("core.windows.net.example.org")
