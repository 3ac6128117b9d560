/*
 * relay.h - a phone's end of the relay's end-to-end encrypted tunnel, for Swift, Kotlin and C.
 *
 * Pair by the code that the camera read (relay_pair), or resume a kept pair (relay_resume). Then read events
 * on one thread (relay_next_events) and send from any (relay_send). A message arrives at the other app once
 * and in order, across any break of connection or network, while both processes live. docs/mobile.md is the
 * guide.
 *
 * Threads: every function may be called from any thread, several at once, except where it says otherwise.
 * Functions with a timeout block at most that long; relay_forget blocks for about twenty seconds at most;
 * every other function returns at once.
 *
 * Errors: a function that can fail returns a relay_status. After any status but RELAY_OK, relay_last_error
 * has a sentence for the user, on the same thread. A function that fails writes nothing through its pointers,
 * unless its description says so. Null pointers, text that is not UTF-8 and freed engines are errors. A
 * dangling pointer, or one to fewer bytes than its length says, is undefined behaviour, as always in C. A
 * panic inside the library is reported as RELAY_INTERNAL.
 *
 * Ownership: the library keeps no pointer of the caller after the call, except the keeper's. Batches of
 * events are released with relay_events_release, engines with relay_free.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A running engine: a number that is never used again. 0 is no engine. A wrong number is an error. */
typedef uint64_t relay_engine;

/* A timeout that never ends. */
#define RELAY_FOREVER UINT32_MAX

/* The longest code, and the longest name that is looked at, in bytes without the final 0. */
#define RELAY_TEXT_BYTES_MAX 4096

/* The longest text that a keeper is given to store, in bytes. */
#define RELAY_KEPT_BYTES_MAX 8192

/* The result of a call. Values never change. Treat an unknown one, of a newer library, as RELAY_INTERNAL. */
typedef enum relay_status {
    RELAY_OK = 0,
    RELAY_INVALID_ARGUMENT = 1, /* a null pointer, a text that is not UTF-8 or too long */
    RELAY_NO_ENGINE = 2,        /* there is no such engine, or it was freed */
    RELAY_BAD_CODE = 3,         /* the text is not a pairing code, or is damaged: scan again */
    RELAY_NO_KEY = 4,           /* the code has no key: that workstation speaks without encryption */
    RELAY_NOTHING_KEPT = 5,     /* the keeper has no pair: pair first */
    RELAY_DAMAGED = 6,          /* the kept pair is damaged: erase it and pair again */
    RELAY_NOT_READ = 7,         /* the keeper could not read, or another program uses the pair */
    RELAY_SYSTEM = 8,           /* the system gave no thread, poll or random bytes */
    RELAY_NOT_OPEN = 9,         /* nothing sent: this engine's tunnel has not been open yet */
    RELAY_FULL = 10,            /* nothing sent: the other app's window is full */
    RELAY_TOO_LARGE = 11,       /* nothing sent: the message is longer than half the other end's window */
    RELAY_CLOSED = 12,          /* the engine is closed or has stopped */
    RELAY_TIMEOUT = 13,         /* the timeout is over */
    RELAY_NOT_ERASED = 14,      /* relay_forget: the kept text is still there */
    RELAY_NOT_DELETED = 15,     /* relay_forget: erased here, but the relay could not be told */
    RELAY_INTERNAL = 16         /* a fault of this library */
} relay_status;

/* The state of an engine. */
typedef enum relay_engine_state {
    RELAY_STATE_CONNECTING = 0,    /* no connection to the relay; the next try is automatic */
    RELAY_STATE_WAITING = 1,       /* the relay is there, the workstation is not */
    RELAY_STATE_SHAKING_HANDS = 2, /* both are there */
    RELAY_STATE_ASKING = 3,        /* the workstation's user is being asked */
    RELAY_STATE_OPEN = 4,          /* messages go through */
    RELAY_STATE_STOPPED = 5        /* it is over */
} relay_engine_state;

/* The kind of an event. "number" and "bytes" are 0 and empty unless described. New kinds may be added. */
typedef enum relay_event_kind {
    RELAY_EVENT_OTHER = 0,        /* an event without a name here; bytes: its text, for a log */
    RELAY_EVENT_CONNECTED = 1,    /* the relay accepted this phone; the workstation may be absent */
    RELAY_EVENT_ASKED = 2,        /* the workstation's user is being asked; bytes: six words to compare */
    RELAY_EVENT_OPENED = 3,       /* the tunnel is open, after each handshake; bytes: its six words */
    RELAY_EVENT_MESSAGE = 4,      /* a message; number: counts from 1 in this engine; bytes: the message */
    RELAY_EVENT_ACKNOWLEDGED = 5, /* the other app has taken all messages up to number */
    RELAY_EVENT_RESTARTED = 6,    /* the other process is new; number: messages that it may have missed */
    RELAY_EVENT_PEER_CLOSED = 7,  /* the other end sends nothing more */
    RELAY_EVENT_LEFT = 8,         /* the other end, or the connection, is gone; accepted messages are kept */
    RELAY_EVENT_RECONNECTING = 9, /* number: milliseconds to the next try; bytes: why, for the user */
    /* 10 is reserved and never sent. It meant a peer without encryption, which is RELAY_EVENT_OTHER now. */
    RELAY_EVENT_STOPPED = 11      /* the last event; reason; number: unacknowledged messages; bytes: why */
} relay_event_kind;

/* Why an engine stopped. */
typedef enum relay_reason {
    RELAY_REASON_NONE = 0,            /* every other event */
    RELAY_REASON_CLOSED = 1,          /* relay_close, relay_free or relay_forget */
    RELAY_REASON_REPLACED = 2,        /* another phone, or another copy of the app, took over */
    RELAY_REASON_DELETED = 3,         /* the relay says that the pair was ended: pair again */
    RELAY_REASON_EXPIRED = 4,         /* the session was not used for too long: pair again */
    RELAY_REASON_ENDED = 5,           /* the session ended and the relay did not say why: pair again */
    RELAY_REASON_REFUSED = 6,         /* the relay refused */
    RELAY_REASON_UNKNOWN_KEY = 7,     /* the workstation does not know this code: scan again */
    RELAY_REASON_CODE_USED = 8,       /* the code was used before: show a new one */
    RELAY_REASON_CODE_EXPIRED = 9,    /* the code was shown too long ago: show a new one */
    RELAY_REASON_DENIED = 10,         /* the workstation's user said no */
    RELAY_REASON_OTHER_VERSION = 11,  /* one of the two programs must be updated */
    RELAY_REASON_NOT_KEPT = 12,       /* the keeper could not store */
    RELAY_REASON_NOT_A_RELAY = 13,    /* there is no relay at this address */
    RELAY_REASON_FAULT = 14           /* a fault of this library */
} relay_reason;

/* One event. "bytes" is never null and belongs to the batch. A text is UTF-8, with a 0 behind it. */
typedef struct relay_event {
    relay_event_kind kind;
    relay_reason reason;
    uint64_t number;
    const uint8_t *bytes;
    size_t len;
} relay_event;

/* A batch of events, oldest first. Read it from one thread at a time; do not change it. */
typedef struct relay_events {
    const relay_event *items;
    size_t count;
} relay_events;

/*
 * The app's secret store, with room for one pair: Keychain, Android Keystore, a private file. The text is a
 * line of JSON with the pair's key: its holder can act as this phone. Wipe copies of it.
 *
 * load is called within relay_resume, on its thread; store and forget on the engine's own thread, which waits
 * for them. Only one is called at a time. They must not call a function of this header, throw, or longjmp.
 *
 * release is called once, as the last call, when the library is done with the keeper: then "user" may be
 * freed. If relay_pair or relay_resume fails, it is called before they return; otherwise on the engine's
 * thread after its end. It may be null; the other three may not.
 */
typedef struct relay_keeper {
    void *user; /* passed to each call; the library does not look at it */
    /* Writes the kept text to text, at most size bytes, and returns its length; 0 if nothing is kept,
     * negative if it can't be read or does not fit. */
    int64_t (*load)(void *user, uint8_t *text, size_t size);
    /* Replaces the kept text by text (len bytes, without a final 0), safe from a crash, and returns 0. After
     * any other value the engine stops, as the pair would be lost with the process. */
    int32_t (*store)(void *user, const uint8_t *text, size_t len);
    /* Erases the kept text and returns 0, also if nothing was kept. Any other value: it is still there. */
    int32_t (*forget)(void *user);
    void (*release)(void *user);
} relay_keeper;

/*
 * Pairs by the code that the camera read or the user pasted. Connects in the background, and reconnects until
 * it is closed or refused. The workstation's user is shown "name", cut to 64 bytes. Both end with a 0. The
 * code is a secret until it was used: it is not copied, and the caller wipes it. "keeper" is copied; with
 * null nothing is kept, and the pair ends with the process. Does not block.
 * RELAY_INVALID_ARGUMENT, RELAY_BAD_CODE, RELAY_NO_KEY, RELAY_SYSTEM.
 */
relay_status relay_pair(const char *code, const char *name, const relay_keeper *keeper, relay_engine *engine);

/*
 * Says what the workstation of a code speaks inside the tunnel. Sets is_app to 1 if it is the app protocol
 * (docs/app.md), which that workstation waits for, and to 0 if it is messages as relay_send sends them.
 * relay_pair takes both: an app that does not speak the app protocol shows an error instead of calling it.
 * RELAY_INVALID_ARGUMENT, RELAY_BAD_CODE.
 */
relay_status relay_code_is_app(const char *code, int32_t *is_app);

/*
 * Resumes the pair that "keeper" has kept. "keeper" may not be null. Blocks as long as its load does.
 * RELAY_INVALID_ARGUMENT, RELAY_NOTHING_KEPT, RELAY_DAMAGED, RELAY_NOT_READ, RELAY_SYSTEM.
 */
relay_status relay_resume(const relay_keeper *keeper, relay_engine *engine);

/*
 * Sends len bytes. Waits at most timeout_ms for the tunnel to open for the first time, and for room. "bytes"
 * may be null if len is 0. Writes to "number", which may be null, the number by which
 * RELAY_EVENT_ACKNOWLEDGED names the message. Once the tunnel was open, messages are accepted without a
 * connection too, up to the other end's window (4 MiB by default; one message: half of it).
 * RELAY_NOT_OPEN and RELAY_FULL after the timeout; RELAY_TOO_LARGE, RELAY_CLOSED, RELAY_INVALID_ARGUMENT and
 * RELAY_NO_ENGINE at once.
 */
relay_status relay_send(relay_engine engine, const uint8_t *bytes, size_t len, uint32_t timeout_ms,
                        uint64_t *number);

/* relay_send without any wait. */
relay_status relay_try_send(relay_engine engine, const uint8_t *bytes, size_t len, uint64_t *number);

/*
 * Waits at most timeout_ms until the other app has taken every message that was accepted.
 * RELAY_TIMEOUT; RELAY_CLOSED if the engine has stopped; RELAY_NO_ENGINE.
 */
relay_status relay_flush(relay_engine engine, uint32_t timeout_ms);

/*
 * Waits at most timeout_ms for an event, and writes a batch of at most "max" events to "events"; release it
 * after reading. Read on one thread only: the next call acknowledges the messages of the last batch to the
 * sender, so save them before it. If the app does not read, the other end waits once 1 MiB of messages is
 * unread. With max 0 it only acknowledges: it waits for nothing and writes null.
 * RELAY_TIMEOUT, and null written, if no event came; RELAY_CLOSED, and null written, after
 * RELAY_EVENT_STOPPED. RELAY_INVALID_ARGUMENT, RELAY_NO_ENGINE.
 */
relay_status relay_next_events(relay_engine engine, size_t max, uint32_t timeout_ms, relay_events **events);

/* Frees a batch and all its events point to, once. Null is allowed. A batch may outlive its engine. */
void relay_events_release(relay_events *events);

/* Writes the engine's state. RELAY_INVALID_ARGUMENT, RELAY_NO_ENGINE. */
relay_status relay_state(relay_engine engine, relay_engine_state *state);

/*
 * The app went to the background (0), or came back (any other value). In the background no connection is
 * begun. When the app comes back, one is made at once, or the present one is checked within two seconds.
 * RELAY_NO_ENGINE.
 */
relay_status relay_set_foreground(relay_engine engine, int32_t shown);

/* The device has changed its network. RELAY_NO_ENGINE. */
relay_status relay_network_changed(relay_engine engine);

/*
 * Ends the engine: accepted messages are written as far as the other end takes them. Does not block.
 * RELAY_EVENT_STOPPED is the last event and comes within ten seconds. Call relay_flush before, to be sure
 * that every message was taken. RELAY_NO_ENGINE.
 */
relay_status relay_close(relay_engine engine);

/*
 * Ends the pair: calls the keeper's forget, closes, and ends the session at the relay, so that the
 * workstation is told. Blocks for at most twenty seconds and the keeper's own time.
 * RELAY_NOT_ERASED, RELAY_NOT_DELETED (the other of the two steps was done); RELAY_CLOSED if the engine had
 * stopped before: then erase the kept text yourself. RELAY_NO_ENGINE.
 */
relay_status relay_forget(relay_engine engine);

/*
 * Frees the engine: its number becomes invalid, and it ends without waiting for anything. A call that is
 * under way on another thread ends as after relay_close. 0, or an engine that was freed before, is allowed.
 */
void relay_free(relay_engine engine);

/*
 * Copies the sentence of this thread's last failed call to "text", cut to size - 1 bytes at the end of a
 * character and followed by a 0, and returns its whole length in bytes. "text" may be null if size is 0. It
 * has no secrets, so it may be logged or shown.
 */
size_t relay_last_error(char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
