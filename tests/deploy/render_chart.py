"""Renders the chart with Helm's own library, in a process of its own: the library starts threads and takes signals.

Standard input: JSON, name -> values. Standard output: JSON, name -> {"manifests": file -> text} or {"error": text}; and
"lint" -> what `helm lint --strict` says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "celeriac"


def rendered(chart: Any, values: Any) -> dict[str, Any]:
    try:
        chart.validate_schema(values)
        return {"manifests": chart.render(values, name="celeriac", namespace="tasks")}
    except helm_python.HelmError as error:
        return {"error": str(error)}


def main() -> None:
    asked = json.load(sys.stdin)
    with helm_python.Chart.load(str(CHART)) as chart:
        found = {name: rendered(chart, values) for name, values in asked.items()}
    found["lint"] = helm_python.lint(str(CHART), {"redis": {"existingSecret": "r"}}, strict=True)
    json.dump(found, sys.stdout)


main()
