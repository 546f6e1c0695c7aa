// Checks the published schema with the reference implementation of GraphQL. Arguments: the folder of the package `graphql`, the schema
// file, a file with queries (JSON: name → text), and a server's answer to the introspection query. With the first argument only, prints
// the introspection query.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, schemaFile, documentsFile, introspectionFile] = process.argv.slice(2);
const { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, parse, printSchema, validate, validateSchema } =
  createRequire(import.meta.url)(join(folder, "index.js"));

if (!schemaFile) {
  process.stdout.write(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }));
  process.exit(0);
}

const problems = [];
const published = buildSchema(readFileSync(schemaFile, "utf8"));
for (const error of validateSchema(published)) problems.push(`schema: ${error.message}`);
for (const [name, text] of Object.entries(JSON.parse(readFileSync(documentsFile, "utf8")))) {
  for (const error of validate(published, parse(text))) problems.push(`${name}: ${error.message}`);
}

// The server's introspection equals the published schema: names, types, arguments, defaults, descriptions.
const served = buildClientSchema(JSON.parse(readFileSync(introspectionFile, "utf8")).data);
for (const error of validateSchema(served)) problems.push(`introspection: ${error.message}`);
const text = (schema) => printSchema(lexicographicSortSchema(schema)).split("\n");
const [ours, theirs] = [text(published), text(served)];
const at = ours.findIndex((line, index) => line !== theirs[index]);
if (at >= 0 || ours.length !== theirs.length) {
  problems.push(`introspection differs from the published schema: ${JSON.stringify(ours[at])} and ${JSON.stringify(theirs[at])}`);
}

// Every type, field, argument and enum value has a description.
for (const type of Object.values(published.getTypeMap())) {
  if (type.name.startsWith("__") || ["Boolean", "Float", "ID", "Int", "String"].includes(type.name)) continue;
  if (!type.description) problems.push(`${type.name} has no description`);
  for (const field of Object.values(type.getFields?.() ?? {})) {
    if (!field.description) problems.push(`${type.name}.${field.name} has no description`);
    for (const argument of field.args ?? []) {
      if (!argument.description) problems.push(`${type.name}.${field.name}(${argument.name}) has no description`);
    }
  }
  for (const value of type.getValues?.() ?? []) {
    if (!value.description) problems.push(`${type.name}.${value.name} has no description`);
  }
}

for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
