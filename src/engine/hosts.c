#include "hosts.h"

#include <stdlib.h>
#include <string.h>

/* Scheme and authority: everything before the path. */
static size_t origin_size(const char *url)
{
    const char *authority = strstr(url, "://");
    return authority == NULL ? strlen(url) : (size_t)(authority - url) + 3 + strcspn(authority + 3, "/?#");
}

/* FNV-1a. */
static uint64_t hash_name(const char *name, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
    }
    return hash;
}

static oc_host *host_get(oc_loop *loop, const char *url)
{
    size_t size = origin_size(url);
    uint64_t hash = hash_name(url, size);
    oc_host **bucket = &loop->hosts[hash % OC_HOST_BUCKETS];
    for (oc_host *host = *bucket; host != NULL; host = host->next) {
        if (host->hash == hash && host->name_size == size && memcmp(host->name, url, size) == 0) {
            return host;
        }
    }
    oc_host *host = calloc(1, sizeof *host + size);
    if (host != NULL) {
        memcpy(host->name, url, size);
        host->name_size = size;
        host->hash = hash;
        host->next = *bucket;
        *bucket = host;
    }
    return host;
}

static void host_free_if_idle(oc_loop *loop, oc_host *host)
{
    if (host->active > 0 || host->first != NULL) {
        return;
    }
    oc_host **link = &loop->hosts[host->hash % OC_HOST_BUCKETS];
    while (*link != host) {
        link = &(*link)->next;
    }
    *link = host->next;
    free(host);
}

static void wait_start(oc_loop *loop, oc_host *host)
{
    if (host->waiting) {
        return;
    }
    host->waiting = true;
    host->next_waiting = NULL;
    host->before_waiting = loop->waiting_last;
    if (loop->waiting_last != NULL) {
        loop->waiting_last->next_waiting = host;
    } else {
        loop->waiting_first = host;
    }
    loop->waiting_last = host;
}

static void wait_end(oc_loop *loop, oc_host *host)
{
    if (host->before_waiting != NULL) {
        host->before_waiting->next_waiting = host->next_waiting;
    } else {
        loop->waiting_first = host->next_waiting;
    }
    if (host->next_waiting != NULL) {
        host->next_waiting->before_waiting = host->before_waiting;
    } else {
        loop->waiting_last = host->before_waiting;
    }
    host->waiting = false;
}

int oc_host_enqueue(oc_loop *loop, oc_transfer *transfer)
{
    oc_host *host = host_get(loop, transfer->url);
    if (host == NULL) {
        return -1;
    }
    transfer->host = host;
    transfer->state = OC_STATE_QUEUED;
    transfer->next = NULL;
    transfer->before = host->last;
    if (host->last != NULL) {
        host->last->next = transfer;
    } else {
        host->first = transfer;
    }
    host->last = transfer;
    wait_start(loop, host);
    return 0;
}

static void unlink_queued(oc_loop *loop, oc_transfer *transfer)
{
    oc_host *host = transfer->host;
    if (transfer->before != NULL) {
        transfer->before->next = transfer->next;
    } else {
        host->first = transfer->next;
    }
    if (transfer->next != NULL) {
        transfer->next->before = transfer->before;
    } else {
        host->last = transfer->before;
    }
    if (host->first == NULL) {
        wait_end(loop, host);
    }
}

void oc_host_dequeue(oc_loop *loop, oc_transfer *transfer)
{
    unlink_queued(loop, transfer);
    host_free_if_idle(loop, transfer->host);
    transfer->host = NULL;
}

int oc_host_share(const oc_loop *loop, const oc_transfer *transfer)
{
    int cap = transfer->profile->max_in_flight;
    return cap / loop->loops + (loop->index < cap % loop->loops);
}

oc_transfer *oc_host_next(oc_loop *loop)
{
    if (loop->active >= loop->max_active) {
        return NULL;
    }
    for (oc_host *host = loop->waiting_first; host != NULL; host = host->next_waiting) {
        oc_transfer *transfer = host->first;
        if (host->active < oc_host_share(loop, transfer)) {
            unlink_queued(loop, transfer);
            host->active++;
            loop->active++;
            if (host->waiting) { /* to the end of the line: hosts take turns */
                wait_end(loop, host);
                wait_start(loop, host);
            }
            return transfer;
        }
    }
    return NULL;
}

void oc_host_release(oc_loop *loop, oc_transfer *transfer)
{
    oc_host *host = transfer->host;
    host->active--;
    loop->active--;
    transfer->host = NULL;
    host_free_if_idle(loop, host);
}
