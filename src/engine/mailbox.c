#include "mailbox.h"

#include <stdlib.h>

#include "transfer.h"

#ifdef _WIN32
#include <winsock2.h>
#else
#include <unistd.h>
#endif

oc_mailbox *oc_mailbox_new(int fd)
{
    oc_mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (mailbox == NULL) {
        return NULL;
    }
    oc_mutex_init(&mailbox->lock);
    oc_cond_init(&mailbox->posted);
    mailbox->fd = fd;
    mailbox->references = 1;
    return mailbox;
}

void oc_mailbox_ref(oc_mailbox *mailbox) { mailbox->references++; }

void oc_mailbox_unref(oc_mailbox *mailbox)
{
    if (--mailbox->references == 0) {
        oc_mutex_destroy(&mailbox->lock);
        oc_cond_destroy(&mailbox->posted);
        free(mailbox);
    }
}

static void link_last(oc_mailbox *mailbox, oc_transfer *transfer)
{
    transfer->mail_linked = true;
    transfer->mail_events = 0;
    transfer->mail_next = NULL;
    if (mailbox->first == NULL) {
        mailbox->first = transfer;
    } else {
        mailbox->last->mail_next = transfer;
    }
    mailbox->last = transfer;
}

bool oc_mailbox_post_locked(oc_mailbox *mailbox, oc_transfer *transfer, int events)
{
    oc_mutex_lock(&mailbox->lock);
    bool closed = mailbox->closed;
    bool was_empty = mailbox->first == NULL;
    if (!closed) {
        if (!transfer->mail_linked) {
            link_last(mailbox, transfer);
        }
        transfer->mail_events |= events;
    }
    oc_mutex_unlock(&mailbox->lock);
    if (closed) {
        oc_mailbox_post_locked(mailbox->heir, transfer, events);
        return false;
    }
    return was_empty;
}

void oc_mailbox_signal(oc_mailbox *mailbox)
{
    oc_mutex_lock(&mailbox->lock);
    int fd = mailbox->closed ? -1 : mailbox->fd;
    if (fd >= 0) {
        /* Under the lock, so that the consumer cannot close the descriptor meanwhile. A full socket or
         * counter is as good as a write: the consumer is already due to wake. */
        uint64_t one = 1;
#ifdef _WIN32
        send((SOCKET)fd, (const char *)&one, sizeof one, 0);
#else
        ssize_t written = write(fd, &one, sizeof one);
        (void)written;
#endif
    }
    oc_mutex_unlock(&mailbox->lock);
    if (fd < 0) {
        oc_cond_signal(&mailbox->posted);
    }
}

static oc_transfer *take_all(oc_mailbox *mailbox)
{
    oc_transfer *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    for (oc_transfer *transfer = first; transfer != NULL; transfer = transfer->mail_next) {
        /* It may be posted again while the consumer still walks the list: hence links of the consumer's own.
         */
        transfer->mail_linked = false;
        transfer->taken_next = transfer->mail_next;
        transfer->taken_events = transfer->mail_events;
    }
    return first;
}

oc_transfer *oc_mailbox_take(oc_mailbox *mailbox, int64_t wait_ms)
{
    oc_mutex_lock(&mailbox->lock);
    if (mailbox->first == NULL && wait_ms > 0) {
        oc_cond_wait_ms(&mailbox->posted, &mailbox->lock, wait_ms);
    }
    oc_transfer *first = take_all(mailbox);
    oc_mutex_unlock(&mailbox->lock);
    return first;
}

bool oc_mailbox_wait(oc_mailbox *mailbox, int64_t wait_ms)
{
    oc_mutex_lock(&mailbox->lock);
    if (mailbox->first == NULL && wait_ms > 0) {
        oc_cond_wait_ms(&mailbox->posted, &mailbox->lock, wait_ms);
    }
    bool came = mailbox->first != NULL;
    oc_mutex_unlock(&mailbox->lock);
    return came;
}

int oc_mailbox_unlink_locked(oc_mailbox *mailbox, oc_transfer *transfer)
{
    int events = 0;
    oc_mutex_lock(&mailbox->lock);
    oc_mailbox *heir = mailbox->closed ? mailbox->heir : NULL;
    if (heir == NULL && transfer->mail_linked) {
        oc_transfer **link = &mailbox->first;
        oc_transfer *before = NULL;
        while (*link != transfer) {
            before = *link;
            link = &(*link)->mail_next;
        }
        *link = transfer->mail_next;
        if (mailbox->last == transfer) {
            mailbox->last = before;
        }
        transfer->mail_linked = false;
        events = transfer->mail_events;
    }
    oc_mutex_unlock(&mailbox->lock);
    return heir != NULL ? oc_mailbox_unlink_locked(heir, transfer) : events;
}

oc_transfer *oc_mailbox_close(oc_mailbox *mailbox, oc_mailbox *heir)
{
    oc_mutex_lock(&mailbox->lock);
    mailbox->closed = true;
    mailbox->heir = heir;
    oc_transfer *first = take_all(mailbox);
    oc_mutex_unlock(&mailbox->lock);
    return first;
}
