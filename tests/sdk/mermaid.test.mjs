// Pages that draw Mermaid can draw what `lockstep show --graph` prints: Mermaid's own parser takes it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import DOMPurify from "dompurify";

// Mermaid cleans labels with a library that needs a browser's document. Parsing needs neither.
DOMPurify.addHook = () => {};
DOMPurify.sanitize = (text) => text;
const { default: mermaid } = await import("mermaid");

const drawings = JSON.parse(readFileSync(process.env.DRAWINGS, "utf8"));

for (const [name, text] of Object.entries(drawings)) {
  test(name, async () => {
    assert.equal((await mermaid.parse(text)).diagramType, "flowchart-v2");
  });
}

test("what is no drawing is refused", async () => {
  await assert.rejects(mermaid.parse("flowchart LR\n  a -- b ] ["));
});
