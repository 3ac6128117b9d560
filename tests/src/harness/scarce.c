/* Stands before the C library: a machine without IPv6 where RELAY_TEST_NO_IPV6 is set, and a limit of as many threads as
   RELAY_TEST_THREADS says, the first one not counted. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int threads;

int socket(int domain, int type, int protocol)
{
    if (domain == AF_INET6 && getenv("RELAY_TEST_NO_IPV6")) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    const char *max = getenv("RELAY_TEST_THREADS");
    if (max && atomic_fetch_add(&threads, 1) >= atoi(max))
        return EAGAIN;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, body, argument);
}
