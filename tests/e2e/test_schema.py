"""Every route of the real service against its own OpenAPI document, with requests that schemathesis makes up."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.e2e.conftest import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]

EXAMPLES = 12
_NO_END = "/v1/videos/{video_id}/events"


def test_no_request_breaks_the_service(service: RunningService) -> None:
    """No status of 500 and above, and no answer that the document does not describe. What is well-formed may still be
    refused: bytes that are no video, an id that is of no stream."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", headers=service.headers)
    tried = []
    for result in schema.exclude(path=_NO_END).get_all_operations():
        operation = result.ok()
        tried.append(operation.label)

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def try_it(case: Any) -> None:
            case.call_and_validate(headers=service.headers, timeout=60, excluded_checks=[positive_data_acceptance])

        try_it()
    assert len(tried) >= 15, tried
