// Every screen by its name.

import { chatScreen } from "./chat.js";
import { clipboardScreen } from "./clipboard.js";
import { codeScreen } from "./code.js";
import { deskScreen } from "./desk.js";
import { deviceScreen } from "./device.js";
import { filesScreen } from "./files.js";
import { homeScreen } from "./home.js";
import { pairScreen } from "./pair.js";
import { terminalScreen } from "./terminal.js";

/** @type {Record<"home" | "code" | "pair" | "desk" | "terminal" | "chat" | "clipboard" | "files" | "device",
 *     (app: import("../app.js").App, place: import("../app.js").Place) =>
 *         import("../app.js").Shown | Promise<import("../app.js").Shown>>} */
export const screens = {
    home: homeScreen,
    code: codeScreen,
    pair: pairScreen,
    desk: deskScreen,
    terminal: terminalScreen,
    chat: chatScreen,
    clipboard: clipboardScreen,
    files: filesScreen,
    device: deviceScreen,
};
