#ifdef __linux__

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "poller.h"

enum { BATCH = 128 };

struct oc_poller {
    int epoll;
    int wake;
};

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
    free(poller);
}

int oc_poller_watch(oc_poller *poller, oc_curl_socket fd, int events)
{
    if (events == 0) {
        /* The socket may be closed already, which removed it. */
        epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    event.events = (events & OC_POLL_IN ? EPOLLIN : 0u) | (events & OC_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        return 0;
    }
    return errno == EEXIST ? epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event) : -1;
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
