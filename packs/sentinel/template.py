"""The template of Azure Resource Manager: endpoint, tables, rule of data collection, functions, and the sensor's right to send.

Columns are those of benches/encodings/asim.tsv, which holds the encoding `asim` against Microsoft's schemas; functions are in
functions/*.kql, their parameters in the first line.
"""
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = HERE.parent.parent / "benches/encodings/asim.tsv"
SCHEMAS = ["Dns", "WebSession", "NetworkSession"]
STREAM = "Custom-Tapwire"
UNIFYING = {"NetworkSession", "Dns", "WebSession", "AlertEvent", "DhcpEvent", "Authentication"}


def columns():
    """Columns of each schema with their types in KQL."""
    found = {schema: {} for schema in ["*", *SCHEMAS]}
    for row in COLUMNS.read_text().splitlines():
        if not row.startswith("#"):
            schema, column, kind = row.split("\t")[:3]
            found[schema][column] = {"ip": "string"}.get(kind, kind)
    return {schema: found["*"] | found[schema] for schema in SCHEMAS}


def stream_type(kind):
    return {"bool": "boolean"}.get(kind, kind)


def table(schema):
    return f"Tapwire{schema}_CL"


def functions():
    """Name, parameters, what it is, and the query."""
    for path in sorted((HERE / "functions").glob("*.kql")):
        lines = path.read_text().splitlines()
        parameters, doc = lines[0].removeprefix("// "), lines[1].removeprefix("// ")
        yield path.stem, parameters, doc, "\n".join(lines[2:])



def resources():
    location = "[parameters('location')]"
    yield {
        "type": "Microsoft.Insights/dataCollectionEndpoints", "apiVersion": "2023-03-11", "name": "tapwire", "location": location,
        "properties": {"networkAcls": {"publicNetworkAccess": "Enabled"}},
    }
    for schema, wanted in columns().items():
        yield {
            "type": "Microsoft.OperationalInsights/workspaces/tables", "apiVersion": "2022-10-01",
            "name": f"[concat(parameters('workspace'), '/{table(schema)}')]",
            "properties": {
                "plan": "Analytics", "retentionInDays": "[parameters('retentionInDays')]", "totalRetentionInDays": "[parameters('retentionInDays')]",
                "schema": {"name": table(schema), "columns": [{"name": name, "type": stream_type(kind)} for name, kind in wanted.items()]},
            },
        }
    every = {name: kind for wanted in columns().values() for name, kind in wanted.items()}
    yield {
        "type": "Microsoft.Insights/dataCollectionRules", "apiVersion": "2023-03-11", "name": "tapwire", "location": location,
        "dependsOn": ["[resourceId('Microsoft.Insights/dataCollectionEndpoints', 'tapwire')]",
                      *[f"[resourceId('Microsoft.OperationalInsights/workspaces/tables', parameters('workspace'), '{table(schema)}')]" for schema in SCHEMAS]],
        "properties": {
            "description": "Records of Tapwire sensors, as their encoding asim gives them.",
            "dataCollectionEndpointId": "[resourceId('Microsoft.Insights/dataCollectionEndpoints', 'tapwire')]",
            "streamDeclarations": {STREAM: {"columns": [{"name": name, "type": stream_type(kind)} for name, kind in every.items()]}},
            "destinations": {"logAnalytics": [{"name": "workspace", "workspaceResourceId": "[resourceId('Microsoft.OperationalInsights/workspaces', parameters('workspace'))]"}]},
            "dataFlows": [{"streams": [STREAM], "destinations": ["workspace"], "outputStream": f"Custom-{table(schema)}",
                           "transformKql": f"source | where EventSchema == '{schema}' | project {', '.join(wanted)}"}
                          for schema, wanted in columns().items()],
        },
    }
    yield {
        "type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01",
        "name": "[guid(resourceId('Microsoft.Insights/dataCollectionRules', 'tapwire'), parameters('sensorPrincipalId'))]",
        "scope": "Microsoft.Insights/dataCollectionRules/tapwire",
        "dependsOn": ["[resourceId('Microsoft.Insights/dataCollectionRules', 'tapwire')]"],
        # Monitoring Metrics Publisher: the one role that may send to a rule of data collection.
        "properties": {"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '3913510d-42f4-4e42-8a64-420c390055eb')]",
                       "principalId": "[parameters('sensorPrincipalId')]", "principalType": "ServicePrincipal"},
    }
    for name, parameters, doc, query in functions():
        yield function(name, parameters, doc, query)
    for schema in sorted(UNIFYING):
        listed = next(parameters for name, parameters, _, _ in functions() if name == f"vim{schema}Tapwire")
        passed = ", ".join(f"{name}={name}" for name in re.findall(r"(\w+):", listed))
        for alias, parameters, query in [
            (f"Im_{schema}Custom", listed, f"vim{schema}Tapwire({passed})"),
            (f"ASim_{schema}Custom", "(disabled:bool=false, pack:bool=false)", f"ASim{schema}Tapwire(disabled=disabled)"),
        ]:
            yield function(alias, parameters, f"Tapwire among the sources of {schema}.", query) | {"condition": "[parameters('unifyingParsers')]"}


def function(name, parameters, doc, query):
    return {
        "type": "Microsoft.OperationalInsights/workspaces/savedSearches", "apiVersion": "2020-08-01",
        "name": f"[concat(parameters('workspace'), '/{name}')]",
        "dependsOn": [f"[resourceId('Microsoft.OperationalInsights/workspaces/tables', parameters('workspace'), '{table(schema)}')]" for schema in SCHEMAS],
        # With this, a function that is there is replaced.
        "properties": {"etag": "*", "category": "Tapwire", "displayName": doc, "functionAlias": name, "functionParameters": parameters[1:-1], "query": query, "version": 2},
    }


def template():
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "workspace": {"type": "string", "metadata": {"description": "The Log Analytics workspace that Sentinel is on, in this resource group."}},
            "sensorPrincipalId": {"type": "string", "metadata": {"description": "Object id of the service principal that sensors log in as."}},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]", "metadata": {"description": "Region of the workspace."}},
            "retentionInDays": {"type": "int", "defaultValue": 90, "metadata": {"description": "Days for which records are kept."}},
            "unifyingParsers": {"type": "bool", "defaultValue": False, "metadata": {
                "description": "Puts Tapwire among the sources of _Im_NetworkSession and its kin. It replaces Im_NetworkSessionCustom and its kin: not where others are in them."}},
        },
        "resources": list(resources()),
        "outputs": {
            "to": {"type": "string", "value": "[reference(resourceId('Microsoft.Insights/dataCollectionEndpoints', 'tapwire'), '2023-03-11').logsIngestion.endpoint]"},
            "rule": {"type": "string", "value": "[reference(resourceId('Microsoft.Insights/dataCollectionRules', 'tapwire'), '2023-03-11').immutableId]"},
            "streamName": {"type": "string", "value": STREAM},
        },
    }


def text():
    return json.dumps(template(), indent=2, ensure_ascii=False) + "\n"
