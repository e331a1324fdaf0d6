#if !defined(__linux__) || defined(OC_USE_POLL)

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "poller.h"

#ifdef _WIN32
#define poll WSAPoll
typedef WSAPOLLFD poll_entry;
#define close_socket closesocket
#define NO_SOCKET INVALID_SOCKET
#else
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
typedef struct pollfd poll_entry;
#define close_socket close
#define NO_SOCKET (-1)
#endif

struct oc_poller {
    poll_entry *entries; /* the first is the reading end of the wake-up */
    size_t count;
    size_t capacity;
    oc_curl_socket wake_read;
    oc_curl_socket wake_write;
};

#ifdef _WIN32

/* Windows has no socketpair: a datagram socket on loopback that talks to itself. */
static bool wake_open(oc_poller *poller)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int size = sizeof address;
    u_long nonblocking = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller->wake_read = socket(AF_INET, SOCK_DGRAM, 0);
    poller->wake_write = poller->wake_read;
    return poller->wake_read != NO_SOCKET &&
           bind(poller->wake_read, (struct sockaddr *)&address, size) == 0 &&
           getsockname(poller->wake_read, (struct sockaddr *)&address, &size) == 0 &&
           connect(poller->wake_read, (struct sockaddr *)&address, size) == 0 &&
           ioctlsocket(poller->wake_read, FIONBIO, &nonblocking) == 0;
}

#else

static bool wake_open(oc_poller *poller)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(pair[i], F_SETFD, FD_CLOEXEC);
        fcntl(pair[i], F_SETFL, O_NONBLOCK);
    }
    poller->wake_read = pair[0];
    poller->wake_write = pair[1];
    return true;
}

#endif

static poll_entry *entry_find(oc_poller *poller, oc_curl_socket fd)
{
    for (size_t i = 0; i < poller->count; i++) {
        if (poller->entries[i].fd == fd) {
            return &poller->entries[i];
        }
    }
    return NULL;
}

static poll_entry *entry_add(oc_poller *poller, oc_curl_socket fd)
{
    if (poller->count == poller->capacity) {
        size_t capacity = poller->capacity ? poller->capacity * 2 : 64;
        poll_entry *grown = realloc(poller->entries, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        poller->entries = grown;
        poller->capacity = capacity;
    }
    poll_entry *entry = &poller->entries[poller->count++];
    memset(entry, 0, sizeof *entry);
    entry->fd = fd;
    return entry;
}

oc_poller *oc_poller_new(void)
{
    oc_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) {
        return NULL;
    }
    poller->wake_read = poller->wake_write = NO_SOCKET;
    if (!wake_open(poller) || oc_poller_watch(poller, poller->wake_read, OC_POLL_IN) < 0) {
        oc_poller_free(poller);
        return NULL;
    }
    return poller;
}

void oc_poller_free(oc_poller *poller)
{
    if (poller->wake_read != NO_SOCKET) {
        close_socket(poller->wake_read);
    }
    if (poller->wake_write != NO_SOCKET && poller->wake_write != poller->wake_read) {
        close_socket(poller->wake_write);
    }
    free(poller->entries);
    free(poller);
}

int oc_poller_watch(oc_poller *poller, oc_curl_socket fd, int events)
{
    poll_entry *entry = entry_find(poller, fd);
    if (events == 0) {
        if (entry != NULL) {
            *entry = poller->entries[--poller->count];
        }
        return 0;
    }
    if (entry == NULL) {
        entry = entry_add(poller, fd);
        if (entry == NULL) {
            return -1;
        }
    }
    entry->events = (short)((events & OC_POLL_IN ? POLLIN : 0) | (events & OC_POLL_OUT ? POLLOUT : 0));
    return 0;
}

void oc_poller_opened(oc_poller *poller, oc_curl_socket fd)
{
    (void)poller;
    (void)fd;
}

void oc_poller_closed(oc_poller *poller, oc_curl_socket fd) { oc_poller_watch(poller, fd, 0); }

int oc_poller_wait(oc_poller *poller, int timeout_ms, oc_ready *ready, int room)
{
    int count = poll(poller->entries, (unsigned)poller->count, timeout_ms);
    if (count < 0) {
#ifdef _WIN32
        return -1;
#else
        return errno == EINTR ? 0 : -1;
#endif
    }
    int found = 0;
    for (size_t i = 0; i < poller->count && found < room; i++) {
        const poll_entry *entry = &poller->entries[i];
        if (entry->revents == 0) {
            continue;
        }
        if (entry->fd == poller->wake_read) {
            char ignored[64];
            (void)!recv(poller->wake_read, ignored, sizeof ignored, 0);
            continue;
        }
        ready[found].fd = entry->fd;
        ready[found].events = (entry->revents & POLLIN ? OC_POLL_IN : 0) |
                              (entry->revents & POLLOUT ? OC_POLL_OUT : 0) |
                              (entry->revents & (POLLERR | POLLHUP | POLLNVAL) ? OC_POLL_ERR : 0);
        found++;
    }
    return found;
}

void oc_poller_wake(oc_poller *poller)
{
    char one = 1;
    (void)!send(poller->wake_write, &one, 1, 0);
}

#endif
