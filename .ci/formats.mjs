// Asks ajv-formats about the values in api/testdata/formats.json, with which our own checkers are tested: both must
// give the same answer. Formats that only this project knows are left out.
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const ajv = addFormats(new Ajv(), { mode: "full" });
const table = JSON.parse(readFileSync(new URL("../api/testdata/formats.json", import.meta.url)));
let asked = 0;
for (const [format, { good, bad, badHereOnly = [] }] of Object.entries(table)) {
  if (!ajv.formats[format]) continue;
  const accepts = ajv.compile({ type: "string", format });
  for (const [values, expected] of [[good, true], [bad, false], [badHereOnly, true]]) {
    for (const value of values) {
      asked++;
      if (accepts(value) !== expected) {
        console.error(`${format}: ajv-formats ${expected ? "refuses" : "accepts"} ${JSON.stringify(value)}`);
        process.exitCode = 1;
      }
    }
  }
}
console.log(`formats: ajv-formats was asked about ${asked} values`);
