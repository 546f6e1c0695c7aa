// Runs the audits of the GraphQL over HTTP specification against a server.
// Arguments: the folder of the package graphql-http, the address of the server.
import { pathToFileURL } from "node:url";

const [folder, url] = process.argv.slice(2);
const { serverAudits } = await import(pathToFileURL(`${folder}/lib/audits/server.mjs`));
for (const audit of serverAudits({ url })) {
  const result = await audit.fn();
  console.log(`${result.status}\t${result.id}\t${result.name}\t${result.reason ?? ""}`);
}
