/* Readiness of sockets, and a wake-up from other threads: epoll on Linux, poll elsewhere (or where
 * OC_USE_POLL says so).
 *
 * One thread owns a poller; only oc_poller_wake may be called from others.
 */
#ifndef OC_POLLER_H
#define OC_POLLER_H

#include "curl_api.h"

/* The values of libcurl's CURL_CSELECT_*. */
enum { OC_POLL_IN = 1, OC_POLL_OUT = 2, OC_POLL_ERR = 4 };

typedef struct oc_ready {
    oc_curl_socket fd;
    int events;
} oc_ready;

typedef struct oc_poller oc_poller;

/* NULL when the system has no descriptor or memory left. */
oc_poller *oc_poller_new(void);
void oc_poller_free(oc_poller *poller);

/* `events` is what to watch `fd` for; 0 forgets it. Returns 0, or -1. */
int oc_poller_watch(oc_poller *poller, oc_curl_socket fd, int events);

/* `fd` is a connection's, and oc_poller_closed will follow: it may stay registered while nobody watches it.
 */
void oc_poller_opened(oc_poller *poller, oc_curl_socket fd);
/* `fd` is about to be closed. */
void oc_poller_closed(oc_poller *poller, oc_curl_socket fd);

/* Waits up to `timeout_ms` (-1: for ever) and writes up to `room` ready sockets. Returns how many, or -1 when
 * the poller is broken. */
int oc_poller_wait(oc_poller *poller, int timeout_ms, oc_ready *ready, int room);

/* Ends the current or the next wait. Any thread. */
void oc_poller_wake(oc_poller *poller);

#endif
