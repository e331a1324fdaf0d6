/* A TCP proxy that makes a server distant, or the road to it narrow.
 *
 *     proxy LISTENING_FD SERVER_PORT DELAY_MS BYTES_PER_SECOND
 *
 * What a client sends waits for DELAY_MS before it goes on to the server, and each connection takes at most
 * BYTES_PER_SECOND of it (0: any number). What the server answers passes at once. One thread, edge-triggered epoll;
 * it needs about as little for a request as nginx, and ends with the process that started it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, EVENTS = 256, NARROW_BUFFER = 256 * 1024, SOME = 1, ALL = 3 };

/* What an epoll event points to. */
struct side {
    struct connection *connection;
    int number;
};

/* One direction of a connection. */
struct lane {
    char *data; /* ROOM bytes, of which begin..end wait */
    size_t begin, end;
    double due;             /* when they may go on */
    double allowance, told; /* bytes that might be taken at the time `told`, where the rate is limited */
    int from, to;           /* 0 or 1: side of the connection */
    int ended;              /* 1: no more comes, 2: and the other side knows */
};

struct connection {
    struct connection *next, **back;
    struct side sides[2];
    int fd[2]; /* client, server */
    int readable[2], writable[2]; /* as far as epoll has told; `readable` is 0, SOME, or ALL up to the end */
    struct lane up, down;
    int waits; /* for the clock */
    int broken, closed;
};


static int poller, server_port, waiting; /* connections that wait for the clock */
static double delay, rate;
static struct connection *connections, *closed; /* closed ones stay until no event can point to them */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Bytes that may be taken now: what the rate brings, and no more of it at once than for 5 ms. */
static size_t allowed(struct lane *lane, size_t room, double at) {
    lane->allowance += rate * (at - lane->told);
    lane->told = at;
    if (lane->allowance > rate * 5e-3) lane->allowance = rate * 5e-3;
    if (lane->allowance < 1) return 0;
    return lane->allowance < (double)room ? (size_t)lane->allowance : room;
}

/* Take bytes off the sender, as far as there is room and the rate allows. True if something came. */
static int take(struct connection *c, struct lane *lane, double at) {
    int up = lane == &c->up;
    size_t room = ROOM - lane->end;
    if (up && rate > 0) room = allowed(lane, room, at);
    if (!c->readable[lane->from] || lane->ended || room == 0) return 0;
    ssize_t count = recv(c->fd[lane->from], lane->data + lane->end, room, 0);
    if (count < 0) {
        c->readable[lane->from] = 0;
        if (errno != EAGAIN) c->broken = 1;
        return 0;
    }
    if (count == 0) return lane->ended = 1;
    if ((size_t)count < room && c->readable[lane->from] == SOME) c->readable[lane->from] = 0;
    if (lane->begin == lane->end) lane->due = at + (up ? delay : 0);
    lane->end += (size_t)count;
    lane->allowance -= (double)count;
    return 1;
}

/* Hand on what is due. True if something went. */
static int give(struct connection *c, struct lane *lane, double at) {
    if (lane->begin == lane->end && lane->ended == 1) {
        shutdown(c->fd[lane->to], SHUT_WR);
        lane->ended = 2;
    }
    if (lane->begin == lane->end || !c->writable[lane->to] || at < lane->due) return 0;
    ssize_t count = send(c->fd[lane->to], lane->data + lane->begin, lane->end - lane->begin, MSG_NOSIGNAL);
    if (count < 0) {
        c->writable[lane->to] = 0;
        if (errno != EAGAIN) c->broken = 1;
        return 0;
    }
    lane->begin += (size_t)count;
    if (lane->begin == lane->end) lane->begin = lane->end = 0;
    return 1;
}

static void hang_up(struct connection *c) {
    for (int i = 0; i < 2; i++)
        if (c->fd[i] >= 0) close(c->fd[i]);
    if ((*c->back = c->next)) c->next->back = c->back;
    c->next = closed;
    c->closed = 1;
    closed = c;
}

static void forget_closed(void) {
    while (closed) {
        struct connection *c = closed;
        closed = c->next;
        free(c->up.data);
        free(c->down.data);
        free(c);
    }
}

/* Move what can be moved. */
static void pump(struct connection *c, double at) {
    if (c->closed) return;
    for (int moved = 1; moved && !c->broken;) {
        moved = take(c, &c->up, at);
        moved |= give(c, &c->up, at);
        moved |= take(c, &c->down, at);
        moved |= give(c, &c->down, at);
    }
    int over = c->broken || (c->up.ended == 2 && c->down.ended == 2);
    int late = c->up.begin < c->up.end && at < c->up.due;
    int starved = rate > 0 && c->readable[0] && !c->up.ended && c->up.allowance < 1;
    waiting += (!over && (late || starved)) - c->waits;
    c->waits = !over && (late || starved);
    if (over) hang_up(c);
}

static void watch(int fd, struct side *side) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = side};
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void greet(int fd) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port)};
    struct connection *c = calloc(1, sizeof *c);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd[0] = fd;
    c->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->up = (struct lane){.data = malloc(ROOM), .from = 0, .to = 1, .told = now()};
    c->down = (struct lane){.data = malloc(ROOM), .from = 1, .to = 0};
    if ((c->next = connections)) connections->back = &c->next;
    c->back = &connections;
    connections = c;
    if (connect(c->fd[1], (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        hang_up(c);
        return;
    }
    for (int i = 0; i < 2; i++) {
        c->sides[i] = (struct side){c, i};
        watch(c->fd[i], &c->sides[i]);
    }
}

/* Let those go on that waited for the clock. */
static void tick(double at) {
    for (struct connection *c = connections, *next; c; c = next) {
        next = c->next;
        if (c->waits) pump(c, at);
    }
}

static void serve(int listener) {
    struct epoll_event events[EVENTS];
    for (double last = now();;) {
        int count = epoll_wait(poller, events, EVENTS, waiting ? 1 : -1);
        double at = now();
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (!side) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) greet(fd);
                continue;
            }
            if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) side->connection->readable[side->number] = ALL;
            else if (events[i].events & EPOLLIN) side->connection->readable[side->number] |= SOME;
            if (events[i].events & EPOLLOUT) side->connection->writable[side->number] = 1;
            pump(side->connection, at);
        }
        if (waiting && at - last >= 1e-3) {
            tick(at);
            last = at;
        }
        forget_closed();
    }
}

int main(int count, char **arguments) {
    struct epoll_event event = {.events = EPOLLIN};
    struct rlimit files;
    int buffer = NARROW_BUFFER;
    if (count != 5) return fprintf(stderr, "usage: proxy LISTENING_FD SERVER_PORT DELAY_MS BYTES_PER_SECOND\n"), 2;
    int listener = atoi(arguments[1]);
    server_port = atoi(arguments[2]);
    delay = atof(arguments[3]) * 1e-3;
    rate = atof(arguments[4]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    /* What the kernel would take on its own account is not held back: keep that small. */
    if (rate > 0) setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) return perror("proxy"), 1;
    serve(listener);
}
