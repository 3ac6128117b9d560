/*
 * A phone in a terminal, in C. It pairs by a code, or resumes the pair that FILE keeps. It prints events as lines and
 * sends the lines of its input. At the end of the input it waits until the workstation has them all, and closes.
 *
 *     phone FILE 'CODE'     pairs, and keeps the pair in FILE
 *     phone FILE            resumes that pair
 *     phone FILE --forget   ends it, here and at the workstation
 *
 *     cargo build -p relay-mobile
 *     cc -std=c11 -Imobile/include mobile/examples/c/phone.c target/debug/librelay_mobile.a
 *         -lpthread -ldl -lm -o phone
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay.h"

/* Says what went wrong, in the library's words. */
static void complain(const char *what) {
    char words[512];
    relay_last_error(words, sizeof words);
    printf("%s: %s\n", what, words);
}

/* The keeper: a file that only this user can read. An app uses Keychain or Keystore. "user" is its path. */

static int64_t load(void *user, uint8_t *text, size_t size) {
    FILE *file = fopen(user, "rb");
    if (file == NULL) return errno == ENOENT ? 0 : -1;
    size_t len = fread(text, 1, size, file);
    int is_whole = !ferror(file) && fgetc(file) == EOF;
    fclose(file);
    return is_whole ? (int64_t)len : -1;
}

static int write_whole(const char *path, const uint8_t *text, size_t len) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) return -1;
    int failed = write(file, text, len) != (ssize_t)len;
    failed |= fsync(file) != 0;
    failed |= close(file) != 0;
    return failed ? -1 : 0;
}

/* Beside first, then in its place: a crash leaves the old text or the new one. */
static int32_t store(void *user, const uint8_t *text, size_t len) {
    const char *path = user;
    size_t room = strlen(path) + sizeof ".new";
    char *beside = malloc(room);
    if (beside == NULL) return -1;
    snprintf(beside, room, "%s.new", path);
    int failed = write_whole(beside, text, len) != 0 || rename(beside, path) != 0;
    free(beside);
    return failed ? -1 : 0;
}

static int32_t forget(void *user) {
    return remove(user) == 0 || errno == ENOENT ? 0 : -1;
}

/* One line for each event. */
static void print_event(const relay_event *event) {
    const char *text = (const char *)event->bytes;
    switch (event->kind) {
    case RELAY_EVENT_CONNECTED: printf("connected\n"); break;
    case RELAY_EVENT_ASKED: printf("the workstation asks its user; both screens show: %s\n", text); break;
    case RELAY_EVENT_OPENED: printf("open\n"); break;
    case RELAY_EVENT_MESSAGE:
        /* Binary, with no 0 behind it. A real app shows nothing unseen to a terminal. */
        printf("workstation: %.*s\n", (int)event->len, text);
        break;
    case RELAY_EVENT_ACKNOWLEDGED: break;
    case RELAY_EVENT_RESTARTED:
        printf("workstation restarted; %llu may be lost\n", (unsigned long long)event->number);
        break;
    case RELAY_EVENT_PEER_CLOSED: printf("the workstation sends no more\n"); break;
    case RELAY_EVENT_LEFT: printf("workstation left\n"); break;
    case RELAY_EVENT_RECONNECTING:
        printf("next try in %llu ms: %s\n", (unsigned long long)event->number, text);
        break;
    case RELAY_EVENT_STOPPED: printf("stopped (%d): %s\n", (int)event->reason, text); break;
    case RELAY_EVENT_OTHER: printf("%s\n", text); break;
    }
    /* Whoever reads this through a pipe has the message before it counts as taken. */
    fflush(stdout);
}

/* Sends the input's lines, on a thread of its own. */
static void *send_lines(void *user) {
    relay_engine engine = *(relay_engine *)user;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) >= 0) {
        if (len > 0 && line[len - 1] == '\n') len--;
        relay_status sent = relay_send(engine, (const uint8_t *)line, (size_t)len, RELAY_FOREVER, NULL);
        if (sent != RELAY_OK) complain("line");
    }
    free(line);
    relay_status flushed = relay_flush(engine, 10000);
    if (flushed == RELAY_OK) printf("the workstation has it all\n");
    else complain("flush");
    fflush(stdout);
    relay_close(engine);
    return NULL;
}

/* Prints events up to the last one; returns why the engine stopped. */
static relay_reason read_events(relay_engine engine) {
    relay_reason reason = RELAY_REASON_NONE;
    for (;;) {
        relay_events *events;
        relay_status status = relay_next_events(engine, 64, RELAY_FOREVER, &events);
        if (status == RELAY_TIMEOUT) continue;
        if (status != RELAY_OK) return reason;
        for (size_t at = 0; at < events->count; at++) {
            print_event(&events->items[at]);
            reason = events->items[at].reason;
        }
        relay_events_release(events);
    }
}

int main(int count, char **arguments) {
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: phone FILE ['CODE' | --forget]\n");
        return 2;
    }
    relay_keeper keeper = {.user = arguments[1], .load = load, .store = store, .forget = forget};
    int forgets = count == 3 && strcmp(arguments[2], "--forget") == 0;
    relay_engine engine;
    relay_status status = count == 3 && !forgets ? relay_pair(arguments[2], "a phone in C", &keeper, &engine)
                                                 : relay_resume(&keeper, &engine);
    if (status != RELAY_OK) {
        complain("not started");
        return 1;
    }
    if (forgets) {
        status = relay_forget(engine);
        if (status == RELAY_OK) printf("forgotten\n");
        else complain("forget");
        relay_free(engine);
        return status == RELAY_OK ? 0 : 1;
    }
    pthread_t sender;
    if (pthread_create(&sender, NULL, send_lines, &engine) != 0) return 1;
    relay_reason reason = read_events(engine);
    /* The sender may wait for a line that never comes; the end of the process ends it. */
    if (reason == RELAY_REASON_CLOSED) pthread_join(sender, NULL);
    relay_free(engine);
    return reason == RELAY_REASON_CLOSED ? 0 : 1;
}
