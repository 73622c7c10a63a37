// Holds KQL against tables and functions with Microsoft's own language service. Standard input: {tables: {name: "(a:int, …)"},
// functions: [{name, parameters, body}], queries: [text]}; standard output: what it finds wrong, [{in, message, at}].
const path = require("path");
const folder = path.join(process.argv[2], "node_modules/@kusto/language-service-next");
require(path.join(folder, "bridge.min.js"));
require(path.join(folder, "Kusto.Language.Bridge.min.js"));
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
const { Symbols } = Kusto.Language;
const symbols = [
  ...Object.entries(given.tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null)),
  ...given.functions.map(({ name, parameters, body }) => new Symbols.FunctionSymbol.$ctor16(name, parameters, `{ ${body}\n }`, null)),
];
const database = new Symbols.DatabaseSymbol.ctor("workspace", symbols);
const state = Kusto.Language.GlobalState.Default.WithDatabase(database);
const found = [];
const look = (name, text) => {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, state);
  const diagnostics = code.GetDiagnostics();
  for (let n = 0; n < diagnostics.Count; n++) {
    const diagnostic = diagnostics.getItem(n);
    found.push({ in: name, message: diagnostic.Message, at: text.slice(diagnostic.Start, diagnostic.Start + 60) });
  }
};
for (const { name, parameters, body } of given.functions) {
  look(name, `let ${name}_ = ${parameters} { ${body}\n };\n${given.calls[name]}`);
}
given.queries.forEach((text) => look("query", text));
process.stdout.write(JSON.stringify(found));
