#if defined(__linux__) && !defined(OC_USE_POLL)

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "poller.h"

enum { BATCH = 128 };

/* libcurl forgets a connection's socket after every request and watches it again for the next. Two system
 * calls a request are saved by leaving such a socket registered until it is closed, or has something to say
 * meanwhile. */
typedef struct watched {
    bool connection; /* oc_poller_closed will tell of its end */
    uint8_t registered;
    uint8_t wanted;
} watched;

struct oc_poller {
    int epoll;
    int wake;
    watched *sockets; /* by descriptor */
    int capacity;
};

static watched *socket_get(oc_poller *poller, int fd)
{
    if (fd >= poller->capacity) {
        int capacity = poller->capacity ? poller->capacity : 64;
        while (capacity <= fd) {
            capacity *= 2;
        }
        watched *grown = realloc(poller->sockets, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        memset(grown + poller->capacity, 0, (size_t)(capacity - poller->capacity) * sizeof *grown);
        poller->sockets = grown;
        poller->capacity = capacity;
    }
    return &poller->sockets[fd];
}

oc_poller *oc_poller_new(void)
{
    oc_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) {
        return NULL;
    }
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = poller->wake};
    if (poller->epoll < 0 || poller->wake < 0 ||
        epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->wake, &event) < 0) {
        oc_poller_free(poller);
        return NULL;
    }
    return poller;
}

void oc_poller_free(oc_poller *poller)
{
    if (poller->epoll >= 0) {
        close(poller->epoll);
    }
    if (poller->wake >= 0) {
        close(poller->wake);
    }
    free(poller->sockets);
    free(poller);
}

static int control(oc_poller *poller, watched *socket, int fd, int events)
{
    struct epoll_event event = {.data.fd = fd};
    event.events = (events & OC_POLL_IN ? EPOLLIN : 0u) | (events & OC_POLL_OUT ? EPOLLOUT : 0u);
    int operation = events == 0 ? EPOLL_CTL_DEL : socket->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    socket->registered = (uint8_t)events;
    if (epoll_ctl(poller->epoll, operation, fd, &event) == 0 || operation == EPOLL_CTL_DEL) {
        return 0; /* closing a descriptor removed it, so that there may be nothing to remove */
    }
    return epoll_ctl(poller->epoll, operation == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

int oc_poller_watch(oc_poller *poller, oc_curl_socket fd, int events)
{
    watched *socket = socket_get(poller, fd);
    if (socket == NULL) {
        return -1;
    }
    socket->wanted = (uint8_t)events;
    if (socket->connection && (events == 0 || events == socket->registered)) {
        return 0;
    }
    return control(poller, socket, fd, events);
}

void oc_poller_opened(oc_poller *poller, oc_curl_socket fd)
{
    watched *socket = socket_get(poller, fd);
    if (socket != NULL) {
        *socket = (watched){.connection = true};
    }
}

void oc_poller_closed(oc_poller *poller, oc_curl_socket fd)
{
    watched *socket = socket_get(poller, fd);
    if (socket != NULL) {
        if (socket->registered) {
            control(poller, socket, fd, 0);
        }
        *socket = (watched){.connection = false};
    }
}

int oc_poller_wait(oc_poller *poller, int timeout_ms, oc_ready *ready, int room)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(poller->epoll, events, room < BATCH ? room : BATCH, timeout_ms);
    if (count < 0) {
        return errno == EINTR ? 0 : -1;
    }
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == poller->wake) {
            uint64_t ignored;
            ssize_t got = read(poller->wake, &ignored, sizeof ignored);
            (void)got;
            continue;
        }
        watched *socket = socket_get(poller, events[i].data.fd);
        if (socket != NULL && socket->connection && socket->wanted == 0) {
            control(poller, socket, events[i].data.fd, 0);
            continue;
        }
        uint32_t bits = events[i].events;
        ready[found].fd = events[i].data.fd;
        ready[found].events = (bits & EPOLLIN ? OC_POLL_IN : 0) | (bits & EPOLLOUT ? OC_POLL_OUT : 0) |
                              (bits & (EPOLLERR | EPOLLHUP) ? OC_POLL_ERR : 0);
        found++;
    }
    return found;
}

void oc_poller_wake(oc_poller *poller)
{
    uint64_t one = 1;
    ssize_t written = write(poller->wake, &one, sizeof one);
    (void)written;
}

#endif
