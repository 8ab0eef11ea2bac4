"""A cloud of two regions, the second with endpoints that name no version: each is asked alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.cloud_operator import Operator
from support.cloud_site import Site

SERVICES = ("identity", "compute", "placement", "image", "network", "block-storage")


@pytest.fixture
def in_region(cloud_config: dict[str, Any], folder: Path) -> Any:
    """Return an operator of devcloud in a region, or in none that is named."""
    operators = []

    def make(region: str | None, **more: Any) -> Operator:
        (entry,) = cloud_config["clouds"]
        kept = {key: value for key, value in entry.items() if key != "region_name"}
        kept |= {"region_name": region} if region else {}
        config = {**cloud_config, "clouds": [{**kept, **more}]}
        operators.append(Operator(folder / f"operator-{len(operators)}", config))
        return operators[-1]

    yield make
    for operator in operators:
        operator.leave()


def test_without_a_region_nothing_is_asked_or_changed(site: Site, in_region: Any) -> None:
    operator = in_region(None)
    for action, parameters in (
        ("server.list", {}),
        ("hypervisor.disable", {"hypervisor": site.source, "reason": "proof"}),
    ):
        ended = operator.run(action, **parameters)
        assert ended.kind in ("refused", "failed")
        assert "has several regions (RegionOne, RegionTwo)" in ended.summary
    checked = operator.run("cloud.check")
    rows = {row["check"]: row for row in checked.result["rows"]}
    assert (checked.kind, rows["region"]["result"]) == ("failed", "BAD")


def test_a_region_that_is_not_there(in_region: Any) -> None:
    ended = in_region("RegionTow").run("server.list")
    assert "There is no region 'RegionTow'" in ended.summary
    assert "Did you mean RegionTwo" in ended.summary


def test_everything_works_in_the_region_without_versions(site: Site, in_region: Any) -> None:
    operator = in_region("RegionTwo")
    checked = operator.done("cloud.check").result["rows"]
    rows = {row["check"]: row for row in checked}
    assert rows["region"]["detail"] == "RegionTwo"
    assert all(rows[f"service {name}"]["result"] == "ok" for name in SERVICES)
    for action in ("server.list", "network.list", "image.list", "volume.list", "project.list"):
        operator.done(action)
    shown = operator.done(
        "hypervisor.disable", hypervisor=site.source, reason="proof", dry_run=True
    )
    assert "region RegionTwo" in shown.text
    operator.done("hypervisor.disable", hypervisor=site.source, reason="proof", dry_run=False)
    (service,) = site.sdk.compute.services(binary="nova-compute", host=site.source)
    assert service.status == "disabled"
    operator.done("hypervisor.enable", hypervisor=site.source, dry_run=False)


def test_an_alias_in_endpoint_override(site: Site, in_region: Any) -> None:
    address = site.sdk.session.get_endpoint(service_type="block-storage", region_name="RegionOne")
    operator = in_region("RegionOne", endpoint_override={"volumev3": address})
    operator.done("volume.list")
