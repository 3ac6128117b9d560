/*
 * relay.h - a phone's end of the relay's end-to-end encrypted tunnel, for Swift, Kotlin and C.
 *
 * Pair with what the camera read (relay_pair) or go on with the pair that was kept (relay_resume); then read events on one
 * thread (relay_next_events) and send from any (relay_send). A message arrives at the other app once and in order,
 * across any break of connection or network, while both processes live. docs/mobile.md is the guide.
 *
 * Threads: every function may be called from any thread, several at once, except where it says otherwise. Functions with a
 * timeout block at most that long; relay_forget blocks for about twenty seconds at most; nothing else blocks for longer than it
 * takes to compute.
 *
 * Errors: every fallible function returns a relay_status. After anything but RELAY_OK, relay_last_error has a
 * sentence for people, on the same thread. Where a function fails it has written nothing through its pointers, unless it
 * says so. A null pointer, text that is not UTF-8 and an engine that was freed are errors. A pointer that is
 * dangling, or too short for the length that is given with it, can't be noticed: it is undefined behaviour, as ever in C.
 * No panic of the library leaves it: it is told as RELAY_INTERNAL.
 *
 * Ownership: the library keeps no pointer of the caller's beyond the call, but for the keeper's. What it
 * hands out is handed back by relay_events_release and relay_free.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A running engine: a number, not an address, and never used again. 0 is none. A wrong one is an error, never a crash. */
typedef uint64_t relay_engine;

/* A timeout that never ends. */
#define RELAY_FOREVER UINT32_MAX

/* The longest code, and the longest name that is looked at, in bytes without the final 0. */
#define RELAY_TEXT_BYTES_MAX 4096

/* The longest text that a keeper is given to store, in bytes. */
#define RELAY_KEPT_BYTES_MAX 8192

/* What came of a call. Values are never changed; new ones may come, so treat an unknown one as RELAY_INTERNAL. */
typedef enum relay_status {
    RELAY_OK = 0,
    RELAY_INVALID_ARGUMENT = 1, /* a null pointer, a text that is not UTF-8 or too long */
    RELAY_NO_ENGINE = 2,        /* there is no such engine, or it was freed */
    RELAY_BAD_CODE = 3,         /* the text is no pairing code, or damaged: scan again */
    RELAY_NO_KEY = 4,           /* the code has no key: that workstation speaks without encryption */
    RELAY_NOTHING_KEPT = 5,     /* the keeper has no pair: pair first */
    RELAY_DAMAGED = 6,          /* what is kept is damaged: forget it and pair again */
    RELAY_NOT_READ = 7,         /* the keeper could not read (try again when the device is unlocked), or another program uses the pair */
    RELAY_SYSTEM = 8,           /* the system gave no thread, poll or random bytes */
    RELAY_NOT_OPEN = 9,         /* nothing sent: the tunnel has not stood yet in this engine's life */
    RELAY_FULL = 10,            /* nothing sent: as much waits for the other app as it takes in */
    RELAY_TOO_LARGE = 11,       /* nothing sent: the message is longer than half the other end's window */
    RELAY_CLOSED = 12,          /* the engine is closed or has stopped */
    RELAY_TIMEOUT = 13,         /* what was waited for did not come in time */
    RELAY_NOT_ERASED = 14,      /* relay_forget: the kept text is still there */
    RELAY_NOT_DELETED = 15,     /* relay_forget: erased here, but the relay could not be told */
    RELAY_INTERNAL = 16         /* a fault of this library */
} relay_status;

/* The state of an engine. */
typedef enum relay_engine_state {
    RELAY_STATE_CONNECTING = 0,    /* no connection to the relay; one is being made, or the next try is automatic */
    RELAY_STATE_WAITING = 1,       /* the relay is there, the workstation is not */
    RELAY_STATE_SHAKING_HANDS = 2, /* both are there */
    RELAY_STATE_ASKING = 3,        /* the workstation's user is being asked */
    RELAY_STATE_OPEN = 4,          /* messages go through */
    RELAY_STATE_STOPPED = 5        /* it is over */
} relay_engine_state;

/* What happened. "number" and "bytes" are the event's; where nothing is said they are 0 and empty. New kinds may come. */
typedef enum relay_event_kind {
    RELAY_EVENT_OTHER = 0,        /* nothing that this header names; bytes: what it is, for a log */
    RELAY_EVENT_CONNECTED = 1,    /* the relay accepted this phone; the workstation may be absent */
    RELAY_EVENT_ASKED = 2,        /* the workstation's user is being asked; bytes: six words that both screens may show */
    RELAY_EVENT_OPENED = 3,       /* the tunnel stands, after each handshake; bytes: its six words */
    RELAY_EVENT_MESSAGE = 4,      /* a message; number: counts from 1 in this engine's life; bytes: the message */
    RELAY_EVENT_ACKNOWLEDGED = 5, /* the other app has taken all messages up to number, as relay_send numbered them */
    RELAY_EVENT_RESTARTED = 6,    /* the other process is new; number: messages of ours that the old one may have missed */
    RELAY_EVENT_PEER_CLOSED = 7,  /* the other end sends nothing any more */
    RELAY_EVENT_LEFT = 8,         /* the other end, or the connection, is gone; what was accepted is kept */
    RELAY_EVENT_RECONNECTING = 9, /* number: milliseconds to the next try; bytes: why, for people */
    /* 10 is reserved: it told of a peer that does not encrypt, which is RELAY_EVENT_OTHER now. It is never sent. */
    RELAY_EVENT_STOPPED = 11      /* the last event; reason; number: messages not acknowledged; bytes: why, for people */
} relay_event_kind;

/* Why an engine stopped. */
typedef enum relay_reason {
    RELAY_REASON_NONE = 0,            /* of every other event */
    RELAY_REASON_CLOSED = 1,          /* relay_close, relay_free or relay_forget */
    RELAY_REASON_REPLACED = 2,        /* another phone, or another copy of the app, took this one's place */
    RELAY_REASON_DELETED = 3,         /* the pair was ended at the workstation, or so the relay says: pair again */
    RELAY_REASON_EXPIRED = 4,         /* the session was not used for too long: pair again */
    RELAY_REASON_ENDED = 5,           /* the session ended and the relay did not say why: pair again */
    RELAY_REASON_REFUSED = 6,         /* the relay refused for good */
    RELAY_REASON_UNKNOWN_KEY = 7,     /* the workstation does not know this code: scan again */
    RELAY_REASON_CODE_USED = 8,       /* the code was used before: show a new one */
    RELAY_REASON_CODE_EXPIRED = 9,    /* the code was shown too long ago: show a new one */
    RELAY_REASON_DENIED = 10,         /* the workstation's user said no */
    RELAY_REASON_OTHER_VERSION = 11,  /* one of the two programs must be updated */
    RELAY_REASON_NOT_KEPT = 12,       /* the keeper could not store */
    RELAY_REASON_NOT_A_RELAY = 13,    /* the address is not a relay's */
    RELAY_REASON_FAULT = 14           /* a fault of this library */
} relay_reason;

/* One event. "bytes" is never null and belongs to the batch; a text is UTF-8 and has a 0 behind it that len does not count. */
typedef struct relay_event {
    relay_event_kind kind;
    relay_reason reason;
    uint64_t number;
    const uint8_t *bytes;
    size_t len;
} relay_event;

/* A batch of events, oldest first. Read it from any one thread at a time; change nothing in it. */
typedef struct relay_events {
    const relay_event *items;
    size_t count;
} relay_events;

/*
 * The app's secret store, with room for one pair: Keychain, Android Keystore, a private file. The text is a line of JSON with
 * the pair's key: a reader of it is this phone. Wipe copies of it.
 *
 * load is called within relay_resume, on its thread; store and forget on the engine's own thread, which waits for
 * them. They are never called two at a time. They must not call a function of this header, nor throw or jump out.
 *
 * release is called once, when the library is done with the keeper, and nothing is called after it: then "user" may be freed.
 * It comes within the call where relay_pair or relay_resume fails, else on the engine's thread after its end.
 * It may be null; the other three may not.
 */
typedef struct relay_keeper {
    void *user; /* handed to each call; the library does not look at it */
    /* Writes what is kept to text, at most size bytes, and returns how many; 0 where nothing is kept, negative where it can't
     * be read or does not fit. */
    int64_t (*load)(void *user, uint8_t *text, size_t size);
    /* Keeps text (len bytes, no 0 behind it) in place of what was kept, safe from a crash, and returns 0. With
     * anything else the engine stops, as the pair would be lost with the process. */
    int32_t (*store)(void *user, const uint8_t *text, size_t len);
    /* Erases what is kept, and returns 0; also where nothing was kept. With anything else it is still there. */
    int32_t (*forget)(void *user);
    void (*release)(void *user);
} relay_keeper;

/*
 * Pairs by the code that the camera read or the user pasted; connects in the background, and again until it is closed
 * or refused. "name" is what the workstation's user is shown, cut to 64 bytes. Both end with a 0. The code is a secret until it
 * was used: it is read where it stands, and wiping that is the caller's. "keeper" is copied; null keeps nothing, so that the
 * pair ends with the process. Does not block.
 * RELAY_INVALID_ARGUMENT, RELAY_BAD_CODE, RELAY_NO_KEY, RELAY_SYSTEM.
 */
relay_status relay_pair(const char *code, const char *name, const relay_keeper *keeper, relay_engine *engine);

/*
 * Goes on with the pair that "keeper" has kept, which may not be null. Blocks as its load does.
 * RELAY_INVALID_ARGUMENT, RELAY_NOTHING_KEPT, RELAY_DAMAGED, RELAY_NOT_READ, RELAY_SYSTEM.
 */
relay_status relay_resume(const relay_keeper *keeper, relay_engine *engine);

/*
 * Sends len bytes; waits at most timeout_ms for the tunnel to open for the first time and for room. "bytes" may be null where len
 * is 0. The number by which RELAY_EVENT_ACKNOWLEDGED names the message is written to "number", which may be null. Once the tunnel
 * has stood, messages are accepted without a connection too, up to the other end's window (4 MiB by default; one
 * message: half of it).
 * RELAY_NOT_OPEN and RELAY_FULL after the timeout; RELAY_TOO_LARGE, RELAY_CLOSED, RELAY_INVALID_ARGUMENT, RELAY_NO_ENGINE at once.
 */
relay_status relay_send(relay_engine engine, const uint8_t *bytes, size_t len, uint32_t timeout_ms, uint64_t *number);

/* relay_send without any wait. */
relay_status relay_try_send(relay_engine engine, const uint8_t *bytes, size_t len, uint64_t *number);

/*
 * Waits at most timeout_ms until the other app has taken every message that was accepted.
 * RELAY_TIMEOUT; RELAY_CLOSED where the engine has stopped, so that it never will; RELAY_NO_ENGINE.
 */
relay_status relay_flush(relay_engine engine, uint32_t timeout_ms);

/*
 * Waits at most timeout_ms for an event, and writes a batch of at most "max" to "events"; release it when it was read.
 * Read on one thread alone: a message counts as taken, and the sender's flush hears of it, with the next call. So make a
 * message safe before that call. An app that does not read makes the other end wait once 1 MiB of messages is unread.
 * With max 0 it only says that everything given is safe, waits for nothing and writes null.
 * RELAY_TIMEOUT, and null written, where none came; RELAY_CLOSED, and null written, once RELAY_EVENT_STOPPED was read.
 * RELAY_INVALID_ARGUMENT, RELAY_NO_ENGINE.
 */
relay_status relay_next_events(relay_engine engine, size_t max, uint32_t timeout_ms, relay_events **events);

/* Frees a batch and everything its events point to, once. Null is fine. It may outlive its engine. */
void relay_events_release(relay_events *events);

/* Writes what the engine is doing. RELAY_INVALID_ARGUMENT, RELAY_NO_ENGINE. */
relay_status relay_state(relay_engine engine, relay_engine_state *state);

/*
 * The app went out of sight (0), where no connection is begun, or came back (anything else): then one is made at once, or the
 * one that stands is made sure of within two seconds. RELAY_NO_ENGINE.
 */
relay_status relay_set_foreground(relay_engine engine, int32_t shown);

/* The device is in another network, as its system's monitor says. RELAY_NO_ENGINE. */
relay_status relay_network_changed(relay_engine engine);

/*
 * Ends the engine: accepted messages are written as far as the other end takes it. Does not block; RELAY_EVENT_STOPPED is the last
 * event and comes within ten seconds. relay_flush before it makes sure of every message. RELAY_NO_ENGINE.
 */
relay_status relay_close(relay_engine engine);

/*
 * Ends the pair: has the keeper forget, closes, and has the relay end the session, so that the workstation is told. Blocks for at
 * most twenty seconds and the keeper's own time.
 * RELAY_NOT_ERASED, RELAY_NOT_DELETED (the other of the two was done); RELAY_CLOSED where the engine had stopped before: erase
 * what is kept yourself. RELAY_NO_ENGINE.
 */
relay_status relay_forget(relay_engine engine);

/*
 * Gives the engine up: its number is worth nothing any more, and it ends without waiting for anything. A call
 * that is under way on another thread ends as after relay_close. 0, or an engine that was freed before, is fine.
 */
void relay_free(relay_engine engine);

/*
 * Copies the sentence of this thread's last failed call to "text", cut to size - 1 bytes at a character's end, with a 0 behind
 * it, and returns its whole length in bytes. "text" may be null where size is 0. It names no secret; log it, or show it.
 */
size_t relay_last_error(char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
