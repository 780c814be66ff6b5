"""Knows how to start a Spark for one run, quiet, and how to end it with all its processes."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from fwlens.errors import FwlensError, one_line

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway  # type: ignore[import-untyped]
    from pyspark.sql import SparkSession

_JAVA: Final = "Java 17 or later must be installed (https://spark.apache.org/docs/latest/#downloading)."
_EXTRA: Final = "Folding on Spark needs pyspark: pip install 'fwlens[spark]'."
_CONF: Final = {
    "spark.app.name": "fwlens",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.maxResultSize": "0",  # the flows come to the driver whole
}
_LOCAL_CONF: Final = {
    "spark.driver.memory": "3g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    "spark.executorEnv.POLARS_MAX_THREADS": "1",  # a task is one of many
}


@contextmanager
def started(master: str, conf: dict[str, str] | None = None) -> Iterator["SparkSession"]:
    """A Spark session at `master`, with settings of one's own in `conf`; all of it ends with the block.

    What Java writes goes into a temporary file. Raises FwlensError without pyspark or Java, or where Spark does not
    start.
    """
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession
    except ImportError:
        raise FwlensError(_EXTRA) from None
    is_local = master.startswith("local")
    settings = {"spark.master": master, **_CONF, **(_LOCAL_CONF if is_local else {}), **(conf or {})}
    with tempfile.TemporaryFile() as noise:
        try:
            wanted = SparkConf(loadDefaults=False).setAll([*settings.items()])
            gateway = launch_gateway(wanted, _quiet(noise))  # type: ignore[no-untyped-call]
        except PySparkException:
            raise FwlensError(f"Spark did not start: {_last(noise)}{_JAVA}") from None
        try:
            context = SparkContext(conf=SparkConf(_jvm=gateway.jvm).setAll([*settings.items()]), gateway=gateway)
            context.setLogLevel("OFF")
            if is_local:
                context.pythonExec = sys.executable
        except Exception as error:
            _end(gateway)
            raise FwlensError(f"Spark did not start at {master}: {one_line(str(error))[:300]}") from None
        try:
            yield SparkSession(context)
        finally:
            context.stop()
            SparkContext._gateway = SparkContext._jvm = None
            _end(gateway)


def _quiet(noise: IO[bytes]) -> dict[str, object]:
    return {"stdout": noise, "stderr": noise}


def _end(gateway: "JavaGateway") -> None:
    """The process of Java ends when nobody speaks to it any more."""
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


def _last(noise: IO[bytes]) -> str:
    """The last line that Java, or the script that looks for it, has written."""
    noise.seek(0)
    lines = noise.read().decode("utf-8", "replace").split("\n")
    said = [line for line in lines if line.strip()]
    return f"{one_line(said[-1])[:300].rstrip('.')}. " if said else ""
