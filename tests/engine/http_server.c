#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 1024, HEAD_SIZE = 8192, OUT_SIZE = 64 * 1024, NO_LENGTH = -1 };

enum state { READING_HEAD, READING_BODY, WAITING, ANSWERING, SILENT };

typedef struct connection {
    int fd;
    enum state state;
    bool head_only;
    bool body_wrong;
    bool close_after;
    bool silent_after;
    char head[HEAD_SIZE];
    size_t head_size;
    size_t body_left; /* of the request */
    size_t body_read;
    long due_ms;      /* in WAITING */
    size_t send_left; /* of the answer's body */
    size_t sent;
    size_t piece; /* of a chunked answer; 0: not chunked */
    bool last_chunk;
    char out[OUT_SIZE];
    size_t out_start, out_end;
} connection;

static struct {
    pthread_t thread;
    int listener;
    int port;
    int stop[2];
    connection *connections[MOST_CONNECTIONS];
    int open;
    int in_flight;
    pthread_mutex_t lock;
    http_counts counts; /* guarded by lock */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void check(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void count_request(int change)
{
    pthread_mutex_lock(&server.lock);
    server.in_flight += change;
    server.counts.requests += change > 0;
    if (server.in_flight > server.counts.most_in_flight) {
        server.counts.most_in_flight = server.in_flight;
    }
    pthread_mutex_unlock(&server.lock);
}

/* ---- Answers ---- */

static void out_append(connection *c, const char *text)
{
    size_t size = strlen(text);
    memcpy(c->out + c->out_end, text, size);
    c->out_end += size;
}

static void answer_head(connection *c, int status, long long length)
{
    char head[256];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\nX-Test: yes\r\n", status);
    if (length >= 0) {
        size += snprintf(head + size, sizeof head - (size_t)size, "Content-Length: %lld\r\n", length);
    } else if (c->piece > 0) {
        size += snprintf(head + size, sizeof head - (size_t)size, "Transfer-Encoding: chunked\r\n");
    } else {
        size += snprintf(head + size, sizeof head - (size_t)size, "Connection: close\r\n");
    }
    snprintf(head + size, sizeof head - (size_t)size, "\r\n");
    out_append(c, head);
    if (c->head_only) {
        c->send_left = 0;
        c->piece = 0;
    }
    c->state = ANSWERING;
}

static void answer(connection *c)
{
    char path[128] = "";
    size_t one = 0, two = 0;
    sscanf(c->head, "%*s %127s", path);
    c->sent = c->send_left = c->piece = 0;
    c->close_after = c->silent_after = c->last_chunk = false;
    if (c->body_wrong) {
        answer_head(c, 400, 0);
    } else if (sscanf(path, "/bytes/%zu", &one) == 1) {
        c->send_left = one;
        answer_head(c, 200, (long long)one);
    } else if (sscanf(path, "/chunked/%zu/%zu", &one, &two) == 2) {
        c->send_left = one;
        c->piece = two;
        answer_head(c, 200, NO_LENGTH);
    } else if (sscanf(path, "/close/%zu", &one) == 1) {
        c->send_left = one;
        c->close_after = true;
        answer_head(c, 200, NO_LENGTH);
    } else if (sscanf(path, "/short/%zu/%zu", &one, &two) == 2 ||
               sscanf(path, "/long/%zu/%zu", &one, &two) == 2) {
        c->send_left = one;
        c->close_after = path[1] == 's';
        answer_head(c, 200, (long long)two);
    } else if (sscanf(path, "/status/%zu/%zu", &two, &one) == 2) {
        c->send_left = one;
        answer_head(c, (int)two, (long long)one);
    } else if (sscanf(path, "/hang/%zu", &one) == 1) {
        c->send_left = one;
        c->silent_after = true;
        answer_head(c, 200, 1 << 20);
    } else if (sscanf(path, "/after/%zu/%zu", &two, &one) == 2) {
        if (c->state != WAITING) {
            c->state = WAITING;
            c->due_ms = now_ms() + (long)two;
            return;
        }
        c->send_left = one;
        answer_head(c, 200, (long long)one);
    } else {
        answer_head(c, 599, 0);
    }
}

static void fill_out(connection *c)
{
    size_t room = OUT_SIZE - 64;
    size_t part = c->send_left < room ? c->send_left : room;
    if (c->piece > 0) {
        char line[32];
        part = part < c->piece ? part : c->piece;
        c->last_chunk = c->send_left == 0;
        snprintf(line, sizeof line, "%zx\r\n", part);
        out_append(c, line);
    }
    for (size_t i = 0; i < part; i++) {
        c->out[c->out_end + i] = http_pattern(c->sent + i);
    }
    c->out_end += part;
    c->sent += part;
    c->send_left -= part;
    if (c->piece > 0) {
        out_append(c, "\r\n");
    }
}

/* ---- Connections: these return false when the connection is over ---- */

static bool finish_answer(connection *c)
{
    if (c->silent_after) {
        c->state = SILENT;
        return true;
    }
    count_request(-1);
    c->state = READING_HEAD;
    c->head_size = 0;
    return !c->close_after;
}

static bool send_more(connection *c)
{
    for (;;) {
        if (c->out_start == c->out_end) {
            c->out_start = c->out_end = 0;
            if (c->send_left == 0 && (c->piece == 0 || c->last_chunk)) {
                return finish_answer(c);
            }
            fill_out(c);
        }
        ssize_t sent = send(c->fd, c->out + c->out_start, c->out_end - c->out_start, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN;
        }
        c->out_start += (size_t)sent;
    }
}

static bool take_body(connection *c, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        c->body_wrong |= data[i] != http_pattern(c->body_read + i);
    }
    c->body_read += size;
    c->body_left -= size;
    if (c->body_left > 0) {
        return true;
    }
    answer(c);
    return c->state != ANSWERING || send_more(c);
}

static bool reset(connection *c)
{
    struct linger linger = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    count_request(-1);
    c->state = READING_HEAD;
    return false;
}

static bool take_head(connection *c)
{
    c->head[c->head_size] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
        return c->head_size + 1 < HEAD_SIZE;
    }
    count_request(1);
    *end = '\0';
    char *body = end + 4;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->body_left = length ? strtoul(length + 17, NULL, 10) : 0;
    c->body_read = 0;
    c->body_wrong = false;
    c->head_only = strncmp(c->head, "HEAD ", 5) == 0;
    c->state = READING_BODY;
    if (strstr(c->head, " /reset") != NULL) {
        return reset(c);
    }
    return take_body(c, body, (size_t)(c->head + c->head_size - body));
}

static bool read_more(connection *c)
{
    static char scratch[256 * 1024];
    bool to_head = c->state == READING_HEAD;
    char *target = to_head ? c->head + c->head_size : scratch;
    size_t room = to_head ? HEAD_SIZE - 1 - c->head_size : sizeof scratch;
    ssize_t got = recv(c->fd, target, room, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    if (to_head) {
        c->head_size += (size_t)got;
        return take_head(c);
    }
    return c->state == READING_BODY ? take_body(c, scratch, (size_t)got) : true;
}

static void connection_close(int index)
{
    connection *c = server.connections[index];
    if (c->state != READING_HEAD) {
        count_request(-1);
    }
    close(c->fd);
    free(c);
    server.connections[index] = server.connections[--server.open];
    pthread_mutex_lock(&server.lock);
    server.counts.open = server.open;
    pthread_mutex_unlock(&server.lock);
}

static void accept_all(void)
{
    int fd;
    while (server.open < MOST_CONNECTIONS && (fd = accept(server.listener, NULL, NULL)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        /* Not malloc, which some tests let fail. */
        connection *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
        check(c != NULL, "aligned_alloc");
        memset(c, 0, sizeof *c);
        c->fd = fd;
        server.connections[server.open++] = c;
        pthread_mutex_lock(&server.lock);
        server.counts.connections++;
        server.counts.open = server.open;
        if (server.open > server.counts.most_open) {
            server.counts.most_open = server.open;
        }
        pthread_mutex_unlock(&server.lock);
    }
}

static bool serve_one(connection *c, short ready)
{
    if (c->state == WAITING && now_ms() >= c->due_ms) {
        answer(c);
        return send_more(c);
    }
    if ((ready & (POLLIN | POLLHUP | POLLERR)) && !read_more(c)) {
        return false;
    }
    return !(ready & POLLOUT) || c->state != ANSWERING || send_more(c);
}

static void *serve(void *unused)
{
    static struct pollfd entries[MOST_CONNECTIONS + 2];
    (void)unused;
    for (;;) {
        int timeout = -1;
        entries[0] = (struct pollfd){server.stop[0], POLLIN, 0};
        entries[1] = (struct pollfd){server.listener, POLLIN, 0};
        for (int i = 0; i < server.open; i++) {
            connection *c = server.connections[i];
            entries[i + 2] =
                (struct pollfd){c->fd, (short)(POLLIN | (c->state == ANSWERING ? POLLOUT : 0)), 0};
            timeout = c->state == WAITING ? 1 : timeout;
        }
        int open = server.open;
        poll(entries, (nfds_t)open + 2, timeout);
        if (entries[0].revents) {
            return NULL;
        }
        /* Backwards: a closed connection's place is taken by the last one, which was served already. */
        for (int i = open - 1; i >= 0; i--) {
            if (!serve_one(server.connections[i], entries[i + 2].revents)) {
                connection_close(i);
            }
        }
        if (entries[1].revents) {
            accept_all();
        }
    }
}

/* ---- From the tests ---- */

void http_server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    check(server.listener >= 0 && bind(server.listener, (struct sockaddr *)&address, size) == 0, "bind");
    check(listen(server.listener, 4096) == 0, "listen");
    check(getsockname(server.listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    server.port = ntohs(address.sin_port);
    fcntl(server.listener, F_SETFL, O_NONBLOCK);
    check(pipe(server.stop) == 0, "pipe");
    server.in_flight = 0;
    server.counts = (http_counts){0};
    check(pthread_create(&server.thread, NULL, serve, NULL) == 0, "pthread_create");
}

void http_server_stop(void)
{
    check(write(server.stop[1], "x", 1) == 1, "write");
    pthread_join(server.thread, NULL);
    while (server.open > 0) {
        connection_close(server.open - 1);
    }
    close(server.listener);
    close(server.stop[0]);
    close(server.stop[1]);
}

int http_server_port(void) { return server.port; }

http_counts http_server_counts(void)
{
    pthread_mutex_lock(&server.lock);
    http_counts counts = server.counts;
    pthread_mutex_unlock(&server.lock);
    return counts;
}

void http_server_reset_counts(void)
{
    pthread_mutex_lock(&server.lock);
    server.counts = (http_counts){.open = server.counts.open, .most_open = server.counts.open};
    pthread_mutex_unlock(&server.lock);
}
