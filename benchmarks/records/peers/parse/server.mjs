// parse-server as its documentation starts it: express, one process. Called as `server.mjs HOME PORT SOCKET_FOLDER DATABASE`,
// where HOME holds node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";

const [home, port, socketFolder, database] = process.argv.slice(2);
const require = createRequire(join(home, "server.cjs"));
const express = require("express");
const { ParseServer } = require("parse-server");

const parse = new ParseServer({
  databaseURI: `postgres://serai@localhost:5432/${database}`,
  databaseOptions: { host: socketFolder, max: 20 },
  appId: "benchmarks",
  masterKey: "benchmarks",
  serverURL: `http://127.0.0.1:${port}/parse`,
  allowClientClassCreation: true,
  silent: true,
  logsFolder: null,
});
await parse.start();

const app = express();
app.get("/health", (_, answer) => answer.send("ok"));
app.use("/parse", parse.app);
app.listen(Number(port), "127.0.0.1");
