// The kinds of channels: which go first, which credit this end gives them, which right a phone needs.

/**
 * @typedef {"chat" | "file" | "pipe" | "terminal" | "clipboard" | "notice"} Kind
 * @typedef {"chat" | "files" | "view" | "type" | "shell"} Right
 * @typedef {{ isBulk: boolean, credit: number, rights: Right[] }} KindInfo any one of the rights is enough
 */

export const CREDIT_MIN = 64 << 10;
export const CREDIT_MAX = 4 << 20;
export const CHANNELS_MAX = 64;
/** The longest payload of a data message. */
export const PAYLOAD_BYTES_MAX = 32_763;

/** @type {Right[]} */
export const RIGHTS = ["chat", "files", "view", "type", "shell"];

/** @type {Record<string, KindInfo>} */
const KINDS = {
    chat: { isBulk: false, credit: 64 << 10, rights: ["chat"] },
    file: { isBulk: true, credit: 512 << 10, rights: ["files"] },
    pipe: { isBulk: true, credit: 512 << 10, rights: ["files"] },
    terminal: { isBulk: false, credit: 256 << 10, rights: ["view", "shell"] },
    clipboard: { isBulk: false, credit: 64 << 10, rights: ["chat"] },
    notice: { isBulk: false, credit: 64 << 10, rights: [] },
};

/** What is known of a kind; null for one of a later version. @param {string} word */
export function kindInfo(word) {
    return Object.hasOwn(KINDS, word) ? KINDS[word] : null;
}

/** @param {KindInfo} info @param {Right[]} rights */
export function isAllowed(info, rights) {
    return info.rights.length === 0 || info.rights.some((right) => rights.includes(right));
}
