// An end as a program: options, one command a line on standard input, one event a line on standard output.
// phone.mjs and workstation.mjs list their own options, commands and events.
//
// Options of both:
//   --window=BYTES        how much of messages it takes in before the app has them
//   --flip                turns one bit of the first DATA record
//
// Commands of both:
//   send TEXT             sends a message
//   send-bytes N SEED     sends the N bytes of `bytesOf`
//   close                 nothing is sent after what was sent
//   cut                   drops the TCP connection and comes back
//   ping                  asks the other end for a sign of life
//   hold, take            the app leaves messages where they are; takes them again
//   quit                  leaves; so does the end of the input
//
// Events of both:
//   saved JSON            `{"u","s","t","p"}`: the argument with which a new process goes on with the pair;
//                         `p` is its key
//   words W W W W W W     of a handshake before the phone is welcomed
//   moved SESSION         goes on in that session
//   open                  messages go both ways from here; again after every new connection
//   message N SHA256 [TEXT]
//                         the app has it
//   acknowledged N        the other app has N messages of this process
//   too-large LIMIT       a message was not sent
//   restarted N           the other end is a new process; N messages were dropped, as the old one had not
//                         acknowledged them
//   closed                the other end sends nothing more
//   pong                  the sign of life
//   unlinked              the other end is away, or the connection ended
//   fault WHY             the connection was broken off; it comes back
//   stopped CODE REASON   the relay sent it away for good; the exit code is 1
//   bye                   the answer to `quit`; the exit code is 0
//   unknown WORD          no such command

import readline from "node:readline";

/** A message: `length` high bytes of x ← 1664525·x + 1013904223 modulo 2³², starting at `seed`. */
export function bytesOf(length, seed) {
    let x = seed >>> 0;
    return Uint8Array.from({ length }, () => {
        x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
        return x >>> 24;
    });
}

/** The arguments, as `{ given, options }`: `--name` and `--name=value` are options. */
export function readArguments() {
    const given = [];
    const options = {};
    for (const word of process.argv.slice(2)) {
        const [, name, value] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
        if (name) options[name] = value ?? true;
        else given.push(word);
    }
    return { given, options };
}

export function say(line) {
    console.log(line);
}

/** Runs `end`, with `own` commands beside those of both. */
export async function play(end, own = {}) {
    const commands = {
        send: (text) => end.submit(new TextEncoder().encode(text)),
        "send-bytes": (numbers) => end.submit(bytesOf(...numbers.split(" ").map(Number))),
        close: () => end.close(),
        cut: () => end.cut(),
        ping: () => end.end.live && end.end.transmit({ what: "PING", token: new Uint8Array(8) }),
        hold: () => end.hold(true),
        take: () => end.hold(false),
        quit: () => end.stop("bye"),
        ...own,
    };
    const lines = readline.createInterface({ input: process.stdin });
    lines.on("line", (line) => {
        const [, name, rest] = /^(\S*) ?(.*)$/.exec(line);
        if (!Object.hasOwn(commands, name)) return say(`unknown ${name}`);
        end.input(() => commands[name](rest));
    });
    lines.on("close", () => end.input(commands.quit));
    let last = "";
    const tell = end.say;
    end.say = (line) => {
        last = line;
        tell(line);
    };
    await end.run();
    process.exit(last === "bye" ? 0 : 1);
}
