// TLS before a relay, under a certificate that nobody has signed: a browser must be told to accept it.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";

import { Relay } from "./relay.mjs";

/** A key and a certificate for `localhost`. */
function certificate() {
    const folder = mkdtempSync(join(tmpdir(), "rt-"));
    try {
        const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
        const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
        return { key: readFileSync(key), cert: readFileSync(cert) };
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/** A relay whose page is at `https://localhost`, and what ends the front. */
export async function relayBehindTls() {
    let target = 0;
    const sockets = new Set();
    const server = createServer(certificate(), (near) => {
        const far = connect(target, "127.0.0.1");
        for (const [from, to] of [[near, far], [far, near]]) {
            sockets.add(from);
            from.on("error", () => to.destroy());
            from.on("close", () => sockets.delete(from));
            from.pipe(to);
        }
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    const relay = await Relay.start({ env: { PUBLIC_WS_URL: `wss://localhost:${port}/ws` } });
    target = relay.port;
    relay.page = `https://localhost:${port}/p`;
    const stop = async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
        await relay.stop();
    };
    return { relay, stop };
}
