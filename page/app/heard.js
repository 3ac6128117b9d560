// What the other end says about channels. Its faults cost it the channel, or are ignored; see the table
// "Channels" in docs/app.md.

import { CHANNELS_MAX, CREDIT_MAX, CREDIT_MIN, isAllowed, kindInfo } from "./kinds.js";

/**
 * @typedef {import("../bytes.js").Bytes} Bytes
 * @typedef {import("./channel.js").Channel} Channel
 * @typedef {import("./channels.js").Channels} Channels
 * @typedef {import("./control.js").Control} Control
 * @typedef {import("./end.js").AppEvent} AppEvent
 * @typedef {{ event?: AppEvent, isFault?: boolean }} Heard
 */

const BAD_CREDIT = "the credit of a new channel is 64 KiB to 4 MiB";
/** @type {Heard} */
const NOTHING = {};
/** @type {Heard} */
const FAULT = { isFault: true };

/**
 * @param {Channels} channels
 * @param {Extract<Control, { ch: number }> | { t: "data", ch: number, payload: Bytes }} said
 * @param {import("./kinds.js").Right[]} rights the other end's
 * @param {number} now
 * @returns {Heard}
 */
export function hear(channels, said, rights, now) {
    if (said.t === "open") return onOpen(channels, said, rights);
    const channel = channels.get(said.ch);
    // A message about a channel that is gone was on its way when it went. About one that never was, it is a
    // fault.
    if (!channel) return said.t === "data" ? onDataAstray(channels, said.ch) : onStray(channels, said.ch);
    const fault = (/** @type {string} */ token, /** @type {string} */ words) => onFault(channels, channel, token, words);
    switch (said.t) {
        case "accept":
            if (channel.state !== "waiting") return fault("protocol", "it was accepted where that is not allowed");
            if (!isFirstCredit(said.credit)) return fault("credit", BAD_CREDIT);
            channel.state = "accepted";
            channel.out.grant(said.credit, now);
            return { event: { type: "accepted", channel, params: said.p } };
        case "refuse":
            if (channel.state !== "waiting") return fault("protocol", "it was refused where that is not allowed");
            channels.leave(channel, false);
            return { event: { type: "refused", channel, reason: said.reason } };
        case "credit":
            return onCredit(channel, said.n, now, fault);
        case "end":
            if (!channel.isAccepted || channel.inn.isEnded) {
                return fault("protocol", "it was ended where that is not allowed");
            }
            channel.inn.isEnded = true;
            channels.leaveIfOver(channel);
            return { event: { type: "ended", channel } };
        case "reset":
            channels.leave(channel, false);
            return { event: { type: "reset", channel, reason: said.reason } };
        case "data":
            if (channel.inn.isEnded) return fault("protocol", "data came after the end");
            if (!channel.inn.take(said.payload.length)) return fault("credit", "more came than there was credit for");
            return { event: { type: "data", channel, bytes: said.payload } };
    }
}

/**
 * @param {Channels} channels
 * @param {Extract<Control, { t: "open" }>} open
 * @param {import("./kinds.js").Right[]} rights
 */
function onOpen(channels, { ch, kind, credit, p }, rights) {
    if (channels.isOwn(ch) || ch <= channels.highest) {
        const channel = channels.get(ch);
        return channel ? onFault(channels, channel, "protocol", "its number was opened twice") : FAULT;
    }
    channels.noteHighest(ch);
    if (channels.countLike(ch) >= CHANNELS_MAX) return FAULT;
    const refuse = (/** @type {string} */ token, /** @type {string} */ words) => {
        channels.farewell("refuse", ch, { token, words });
        return NOTHING;
    };
    const info = kindInfo(kind);
    if (!info) return refuse("kind", "this end does not know this kind of channel");
    if (!isAllowed(info, rights)) return refuse("rights", "this phone may not do that at this desk");
    if (!isFirstCredit(credit)) return { ...refuse("credit", BAD_CREDIT), isFault: true };
    const channel = channels.addAsked(ch, kind);
    if (!channel) return FAULT;
    channel.out.grant(credit, 0);
    return { event: { type: /** @type {const} */ ("opened"), channel, params: p } };
}

/**
 * @param {Channel} channel
 * @param {number} more
 * @param {number} now
 * @param {(token: string, words: string) => Heard} fault
 * @returns {Heard}
 */
function onCredit(channel, more, now, fault) {
    if (!channel.isAccepted) return fault("protocol", "credit came before the channel was accepted");
    const isWritable = channel.out.grant(more, now);
    if (isWritable === null) return fault("credit", "a channel has at most 4 MiB of credit");
    return isWritable ? { event: { type: "writable", channel } } : NOTHING;
}

/** @param {Channels} channels @param {number} number @returns {Heard} */
function onStray(channels, number) {
    return { isFault: !channels.wasOpened(number) };
}

/**
 * The sender of data for a channel that never was is told, if there is room for it.
 * @param {Channels} channels
 * @param {number} number
 */
function onDataAstray(channels, number) {
    if (!channels.wasOpened(number) && channels.countLike(number) < CHANNELS_MAX) {
        channels.farewell("reset", number, { token: "unknown", words: "this channel was never opened" });
    }
    return onStray(channels, number);
}

/**
 * @param {Channels} channels
 * @param {Channel} channel
 * @param {string} token
 * @param {string} words
 * @returns {Heard}
 */
function onFault(channels, channel, token, words) {
    const reason = { token, words };
    channels.farewell("reset", channel.number, reason);
    channels.leave(channel, false);
    return { event: { type: "reset", channel, reason }, isFault: true };
}

/** @param {number} credit */
function isFirstCredit(credit) {
    return credit >= CREDIT_MIN && credit <= CREDIT_MAX;
}
