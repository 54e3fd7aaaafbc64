// node --input-type=module - FILE... <lint_mail.mjs, in .tools/npm: what two linters say of each HTML mail, and how it
// looks in dark mode; as JSON, one entry a file.
import { readFileSync } from "node:fs";
import { auditEmail, simulateDarkMode } from "@emailens/engine";
import { doIUseEmail } from "@jsx-email/doiuse-email";

// doiuse-email has no complete data of other clients, and throws there.
const CLIENTS = ["gmail.*", "outlook.*", "apple-mail.*", "yahoo.*", "samsung-email.*"];
// Those whose simulation changes every colour. That of the others keeps a text's colour on the background that it has
// darkened, which no client does.
const DARK = ["gmail-ios", "apple-mail-ios"];

const found = process.argv.slice(2).map((file) => {
  const html = readFileSync(file, "utf8");
  return {
    audit: auditEmail(html),
    usable: doIUseEmail(html, { emailClients: CLIENTS }),
    dark: Object.fromEntries(DARK.map((client) => [client, simulateDarkMode(html, client)])),
  };
});
process.stdout.write(JSON.stringify(found));
