"""Metrics: parsed from what Dynamo writes, asked by name and labels."""

from __future__ import annotations

from support.metrics import Metrics, Sample

SCRAPE = """\
# HELP dynamo_frontend_model_migration_total Migrations
# TYPE dynamo_frontend_model_migration_total counter
dynamo_frontend_model_migration_total{migration_type="new_request",model="m"} 1
dynamo_frontend_model_migration_total{migration_type="ongoing_request",model="m"} 2
# TYPE dynamo_component_inflight_requests gauge
dynamo_component_inflight_requests{dynamo_endpoint="generate"} 3
dynamo_component_inflight_requests{dynamo_endpoint="clear \\"kv\\""} 4
# TYPE latency histogram
latency_bucket{le="1"} 5
latency_bucket{le="+Inf"} 6
latency_sum 7.5
latency_count 6
untyped_of_ours 1e3
"""


def test_counters_keep_their_names() -> None:
    scrape = Metrics.parse(SCRAPE)
    assert "dynamo_frontend_model_migration_total" in scrape
    assert "dynamo_frontend_model_migration" not in scrape


def test_a_total_is_over_the_series_whose_labels_include_those_asked_for() -> None:
    scrape = Metrics.parse(SCRAPE)
    assert scrape.total("dynamo_frontend_model_migration_total") == 3
    assert scrape.total("dynamo_frontend_model_migration_total", migration_type="ongoing_request") == 2
    assert scrape.total("dynamo_frontend_model_migration_total", migration_type="new_request", model="m") == 1
    assert scrape.total("dynamo_frontend_model_migration_total", migration_type="new_request", model="other") == 0
    assert scrape.total("dynamo_component_inflight_requests", dynamo_endpoint='clear "kv"') == 4


def test_histograms_and_untyped_series_are_series_too() -> None:
    scrape = Metrics.parse(SCRAPE)
    assert (scrape.total("latency_count"), scrape.total("latency_sum")) == (6, 7.5)
    assert scrape.total("untyped_of_ours") == 1000
    assert list(scrape.series("latency_bucket", le="+Inf")) == [Sample("latency_bucket", {"le": "+Inf"}, 6)]


def test_what_has_not_happened_yet_counts_as_nothing() -> None:
    scrape = Metrics.parse("")
    assert scrape.total("dynamo_frontend_model_migration_total") == 0
    assert "dynamo_frontend_model_migration_total" not in scrape
    assert list(scrape.series("anything")) == []


def test_the_text_is_kept_as_evidence() -> None:
    assert Metrics.parse(SCRAPE).text == SCRAPE
