"""Topology in a browser: the graph is in view, a click opens a cluster, a link restores it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e

GRAPH = ".st-key-topology_graph_dense_1"
FIRST_MS = 120_000
DOTS = f"{GRAPH} .scatterlayer .points path"


@pytest.mark.spec("TA-4")
def test_a_click_opens_a_cluster_and_the_link_restores_it(page: Page, server: str) -> None:
    page.goto(f"{server}/Topology?bundle=cifar10-vgg16")
    # The first page of a server loads its libraries and the bundle.
    expect(page.locator(DOTS).first).to_be_visible(timeout=FIRST_MS)
    settle(page)
    expect(page.locator(f"{GRAPH} .legend")).to_be_in_viewport(ratio=0.99)
    places = page.evaluate(
        """graph => { const plot = document.querySelector(`${graph} .js-plotly-plot`);
            const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
            const { xaxis, yaxis } = plot._fullLayout;
            return plot._fullData.filter(trace => trace.customdata && trace.mode === "markers")
                .flatMap(trace => [...trace.customdata].map((row, at) => [row[0],
                    box.x + xaxis.l2p(trace.x[at]), box.y + yaxis.l2p(trace.y[at])])); }""",
        GRAPH,
    )
    node, x, y = places[-1]
    page.mouse.click(x, y)
    heading = page.get_by_role("heading", name=f"Cluster {node} of dense_1")
    expect(heading).to_be_visible(timeout=FIRST_MS)
    settle(page)
    link = page.url
    assert f"node=dense_1%3A{node}" in link
    page.goto("about:blank")
    page.goto(link)
    expect(heading).to_be_visible(timeout=FIRST_MS)
