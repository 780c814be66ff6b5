// Microsoft's own parser of KQL over queries and the tables they read: {tables, queries} as JSON on standard input; for
// each query its errors and warnings, the columns of its result, and how many queries the portal's editor takes it for.
"use strict";
const fs = require("fs");
const path = require("path");
const folder = path.join(path.resolve(process.argv[2]), "@kusto", "language-service-next");
require(path.join(folder, "bridge.min.js")); // defines Bridge and System
require(path.join(folder, "Kusto.Language.Bridge.min.js")); // defines Kusto
const symbols = Kusto.Language.Symbols;

const each = (list) => Array.from({ length: list ? list.Count : 0 }, (_, index) => list.getItem(index));
const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const tables = new (System.Collections.Generic.List$1(symbols.Symbol).ctor)();
for (const [name, columns] of Object.entries(asked.tables)) {
  tables.add(new symbols.TableSymbol.$ctor7(name, `(${columns})`, null));
}
const closed = new symbols.DatabaseSymbol.$ctor1("workspace", tables, false); // a table that is not there is an error
const globals = Kusto.Language.GlobalState.Default.WithDatabase(closed);

const judged = asked.queries.map((text) => {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, globals);
  const shape = code.ResultType;
  return {
    faults: each(code.GetDiagnostics()).map((one) => `${one.Severity} ${one.Code} at ${one.Start}: ${one.Message}`),
    columns: each(shape && shape.Columns).map((one) => [one.Name, one.Type ? one.Type.Name : "?"]),
    blocks: Kusto.Language.Editor.CodeScript.From$1(text, globals).Blocks.Count,
  };
});
process.stdout.write(JSON.stringify(judged));
