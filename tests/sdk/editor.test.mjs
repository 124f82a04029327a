// What an editor shows of our files: yaml-language-server, which editors use, reads the JSON Schemas in `schemas/`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

const root = process.env.LOCKSTEP_ROOT;
const folder = pathToFileURL(`${root}/pipelines/acme/`);
const server = createRequire(import.meta.url).resolve("yaml-language-server/bin/yaml-language-server");

/** The few words of the language server protocol that are needed here. */
class Client {
  constructor() {
    this.process = spawn(process.execPath, [server, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
    this.waiting = new Map();
    this.heard = [];
    this.listeners = [];
    this.number = 0;
    this.bytes = Buffer.alloc(0);
    this.process.stdout.on("data", (chunk) => this.take(chunk));
  }

  take(chunk) {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    for (;;) {
      const head = this.bytes.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.bytes.subarray(0, head).toString())[1]);
      if (this.bytes.length < head + 4 + length) return;
      const message = JSON.parse(this.bytes.subarray(head + 4, head + 4 + length).toString());
      this.bytes = this.bytes.subarray(head + 4 + length);
      this.hear(message);
    }
  }

  hear(message) {
    if (message.method && message.id !== undefined) {
      const settings = (message.params?.items ?? []).map((item) => (item.section === "yaml" ? SETTINGS : null));
      this.send({ id: message.id, result: message.method === "workspace/configuration" ? settings : null });
    } else if (message.method) {
      this.heard.push(message);
      this.listeners.forEach((listener) => listener());
    } else {
      const { resolve, reject } = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    }
  }

  send(message) {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.process.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  ask(method, params) {
    this.number += 1;
    const id = this.number;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.send({ id, method, params });
    return answer;
  }

  /** The first diagnostics of a document, whenever they come. */
  diagnostics(uri) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.heard.find((it) => it.method.endsWith("publishDiagnostics") && it.params.uri === uri);
        if (found) resolve(found.params.diagnostics);
      };
      this.listeners.push(look);
      look();
    });
  }
}

const SETTINGS = { completion: true, hover: true, validate: true, schemaStore: { enable: false } };
let client;

before(async () => {
  client = new Client();
  await client.ask("initialize", { processId: process.pid, rootUri: pathToFileURL(root).href, capabilities: { workspace: { configuration: true }, textDocument: { completion: { completionItem: { documentationFormat: ["markdown"] } }, hover: { contentFormat: ["markdown"] } } } });
  client.send({ method: "initialized", params: {} });
  client.send({ method: "workspace/didChangeConfiguration", params: { settings: { yaml: SETTINGS } } });
});

after(() => client.process.kill());

/** Opens a file of the folder; `|` in its text is where the cursor stands. */
function open(name, kind, text) {
  const uri = new URL(name, folder).href;
  const written = `# yaml-language-server: $schema=${pathToFileURL(`${root}/schemas/${kind}.schema.json`).href}\n${text}`;
  const lines = written.slice(0, written.indexOf("|")).split("\n");
  const position = { line: lines.length - 1, character: lines.at(-1).length };
  const document = { uri, languageId: "yaml", version: 1, text: written.replace("|", "") };
  client.send({ method: "textDocument/didOpen", params: { textDocument: document } });
  return { textDocument: { uri }, position };
}

async function completions(name, kind, text) {
  const { items } = await client.ask("textDocument/completion", open(name, kind, text));
  return new Map(items.map((item) => [item.label, item.documentation?.value ?? item.documentation ?? ""]));
}

const PIPELINE = "name: paid\ntrigger: { stripe: { events: [invoice.paid] } }\nsteps:\n";

test("the keys of a pipeline are offered", async () => {
  const offered = await completions("keys.yaml", "pipeline", "name: keys\n|\n");
  for (const key of ["trigger", "when", "order", "retry", "steps"]) assert.ok(offered.has(key), `${key} of ${[...offered.keys()]}`);
  assert.match(offered.get("enabled"), /switches the pipeline off/);
});

test("the verbs of a step are offered, each with what it does", async () => {
  const offered = await completions("verbs.yaml", "pipeline", `${PIPELINE}  - |\n`);
  for (const verb of ["find", "create", "update", "upsert", "for_each", "choose"]) assert.ok(offered.has(verb), `${verb} of ${[...offered.keys()]}`);
  assert.match(offered.get("find"), /Finds one record/);
});

test("the arguments of a verb are offered", async () => {
  const offered = await completions("arguments.yaml", "pipeline", `${PIPELINE}  - find:\n      object: salesforce.Account\n      |\n`);
  for (const key of ["match", "none", "many"]) assert.ok(offered.has(key), `${key} of ${[...offered.keys()]}`);
});

test("the words of a value are offered", async () => {
  const offered = await completions("words.yaml", "pipeline", `${PIPELINE}  - find:\n      object: salesforce.Account\n      match: { Id: x }\n      many: |\n`);
  for (const word of ["conflict", "skip", "fail", "first"]) assert.ok(offered.has(word), `${word} of ${[...offered.keys()]}`);
});

test("the rules of a project are offered", async () => {
  const offered = await completions("rules.yaml", "rules", "|\n");
  assert.match(offered.get("unused-part"), /No pipeline uses a part/);
});

test("a key is explained under the cursor", async () => {
  for (const [name, text, told] of [
    ["hover-verb.yaml", `${PIPELINE}  - fi|nd: { object: salesforce.Account, match: { Id: x } }\n`, /Finds one record/],
    ["hover-key.yaml", `${PIPELINE}  - set: { a: 1 }\nena|bled: false\n`, /switches the pipeline off/],
    ["hover-argument.yaml", `${PIPELINE}  - find: { object: salesforce.Account, match: { Id: x }, no|ne: skip }\n`, /look-up that finds nothing/],
  ]) {
    const hover = await client.ask("textDocument/hover", open(name, "pipeline", text));
    assert.match(hover?.contents?.value ?? "", told, name);
  }
});

test("a key that is not known is underlined, and a right file is not", async () => {
  const wrong = open("wrong.yaml", "pipeline", `${PIPELINE}  - set: { a: 1 }\nwhne: "true"|\n`);
  assert.match(JSON.stringify(await client.diagnostics(wrong.textDocument.uri)), /whne/);
  const right = open("right.yaml", "pipeline", `${PIPELINE}  - set: { a: 1 }|\n`);
  assert.deepEqual(await client.diagnostics(right.textDocument.uri), []);
});
