/* The floor: what libcurl itself needs for a case when nobody looks at the bytes.
 *
 * One epoll loop over one multi handle, or one easy handle in each of several threads. Easy handles and their
 * connections are used again, bodies are counted and dropped, nothing is signed. libcurl comes from a library that is
 * opened by path (the one pycurl brings), so no header of it is needed: the numbers below are its stable ABI.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

typedef void CURL;
typedef void CURLM;
struct curl_message {
    int kind;
    CURL *easy;
    union {
        void *whatever;
        int result;
    } data;
};

enum {
    OPT_WRITEDATA = 10001,
    OPT_URL = 10002,
    OPT_RANGE = 10007,
    OPT_READDATA = 10009,
    OPT_HTTPHEADER = 10023,
    OPT_CUSTOMREQUEST = 10036,
    OPT_CAINFO = 10065,
    OPT_PRIVATE = 10103,
    OPT_WRITEFUNCTION = 20011,
    OPT_READFUNCTION = 20012,
    OPT_INFILESIZE_LARGE = 30115,
    OPT_NOBODY = 44,
    OPT_UPLOAD = 46,
    OPT_BUFFERSIZE = 98,
    OPT_NOSIGNAL = 99,
    OPT_UPLOAD_BUFFERSIZE = 280,
    INFO_RESPONSE_CODE = 0x200002,
    INFO_PRIVATE = 0x100015,
    MOPT_SOCKETFUNCTION = 20001,
    MOPT_SOCKETDATA = 10002,
    MOPT_TIMERFUNCTION = 20004,
    MOPT_TIMERDATA = 10005,
    MOPT_MAXCONNECTS = 6,
    SOCKET_TIMEOUT = -1,
};

/* In the order of `_Job` in limit.py. */
struct job {
    const char *library;
    const char *const *urls;
    const char *const *ranges; /* or NULL */
    const char *ca_file;       /* or NULL */
    const char *body;          /* of a PUT, or NULL */
    const char *method;        /* instead of PUT, or NULL */
    int64_t body_size;
    int64_t expected;   /* bytes of a body that arrives, or -1 */
    int64_t batch;      /* calls that make one entry of `latencies` */
    int64_t count;      /* of urls (and ranges) */
    int64_t in_flight;
    int64_t threads;    /* 0: one loop */
    int64_t head;
    double seconds;
    double *latencies;
    int64_t latency_room;
    /* out */
    int64_t calls;
    char error[256];
};

static struct {
    int (*global_init)(long);
    CURL *(*easy_init)(void);
    int (*easy_setopt)(CURL *, int, ...);
    int (*easy_perform)(CURL *);
    int (*easy_getinfo)(CURL *, int, ...);
    const char *(*easy_strerror)(int);
    CURLM *(*multi_init)(void);
    int (*multi_setopt)(CURLM *, int, ...);
    int (*multi_add_handle)(CURLM *, CURL *);
    int (*multi_remove_handle)(CURLM *, CURL *);
    int (*multi_socket_action)(CURLM *, int, int, int *);
    int (*multi_assign)(CURLM *, int, void *);
    struct curl_message *(*multi_info_read)(CURLM *, int *);
    void *(*slist_append)(void *, const char *);
} curl;

struct slot {
    struct job *job;
    CURL *easy;
    int64_t received, sent;
    double started;
};

static atomic_int_fast64_t next_call, finished;
static double deadline;
static double batch_started[256]; /* overlapping batches are told apart */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(struct job *job, const char *what) {
    if (!job->error[0]) snprintf(job->error, sizeof job->error, "%s", what);
}

static int load_curl(struct job *job) {
    void *handle = dlopen(job->library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return fail(job, dlerror()), -1;
#define NEED(name) \
    if (!(*(void **)&curl.name = dlsym(handle, "curl_" #name))) return fail(job, "no curl_" #name), -1
    NEED(global_init); NEED(easy_init); NEED(easy_setopt); NEED(easy_perform); NEED(easy_getinfo);
    NEED(easy_strerror); NEED(multi_init); NEED(multi_setopt); NEED(multi_add_handle);
    NEED(multi_remove_handle); NEED(multi_socket_action); NEED(multi_assign); NEED(multi_info_read);
    NEED(slist_append);
#undef NEED
    return curl.global_init(3);
}

static size_t drop(char *data, size_t size, size_t count, void *user) {
    (void)data;
    ((struct slot *)user)->received += (int64_t)(size * count);
    return size * count;
}

static size_t supply(char *out, size_t size, size_t count, void *user) {
    struct slot *slot = user;
    size_t left = (size_t)(slot->job->body_size - slot->sent), room = size * count;
    if (room > left) room = left;
    memcpy(out, slot->job->body + slot->sent, room);
    slot->sent += (int64_t)room;
    return room;
}

static CURL *prepare(struct job *job, struct slot *slot) {
    static void *headers; /* no `Expect: 100-continue` */
    CURL *easy = curl.easy_init();
    slot->job = job;
    slot->easy = easy;
    curl.easy_setopt(easy, OPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, OPT_PRIVATE, slot);
    curl.easy_setopt(easy, OPT_WRITEFUNCTION, drop);
    curl.easy_setopt(easy, OPT_WRITEDATA, slot);
    if (job->expected >= 1 << 20) curl.easy_setopt(easy, OPT_BUFFERSIZE, 512L * 1024);
    if (job->head) curl.easy_setopt(easy, OPT_NOBODY, 1L);
    if (job->ca_file) curl.easy_setopt(easy, OPT_CAINFO, job->ca_file);
    if (job->body) {
        if (!headers) headers = curl.slist_append(NULL, "Expect:");
        curl.easy_setopt(easy, OPT_HTTPHEADER, headers);
        curl.easy_setopt(easy, OPT_UPLOAD, 1L);
        if (job->method) curl.easy_setopt(easy, OPT_CUSTOMREQUEST, job->method);
        curl.easy_setopt(easy, OPT_UPLOAD_BUFFERSIZE, 512L * 1024);
        curl.easy_setopt(easy, OPT_READFUNCTION, supply);
        curl.easy_setopt(easy, OPT_READDATA, slot);
        curl.easy_setopt(easy, OPT_INFILESIZE_LARGE, job->body_size);
    }
    return easy;
}

/* Aim a slot at the next object. False when the time is over; a batch that was begun is finished. */
static int aim(struct slot *slot) {
    struct job *job = slot->job;
    slot->started = now();
    if (job->error[0]) return 0;
    int64_t call = atomic_fetch_add(&next_call, 1);
    if (call % job->batch == 0 && slot->started >= deadline) {
        atomic_fetch_add(&next_call, job->batch - 1); /* no other slot goes on with it */
        return 0;
    }
    if (call % job->batch == 0) batch_started[call / job->batch % 256] = slot->started;
    slot->received = slot->sent = 0;
    curl.easy_setopt(slot->easy, OPT_URL, job->urls[call % job->count]);
    if (job->ranges) curl.easy_setopt(slot->easy, OPT_RANGE, job->ranges[call % job->count]);
    return 1;
}

static void finish(struct slot *slot, int result) {
    struct job *job = slot->job;
    long status = 0;
    curl.easy_getinfo(slot->easy, INFO_RESPONSE_CODE, &status);
    if (result) fail(job, curl.easy_strerror(result));
    else if (status < 200 || status > 299) fail(job, "the server refused");
    else if (!job->head && job->expected >= 0 && slot->received != job->expected) fail(job, "a body of another size");
    int64_t call = atomic_fetch_add(&finished, 1) + 1;
    if (call % job->batch) return;
    int64_t entry = call / job->batch - 1;
    if (entry < job->latency_room)
        job->latencies[entry] = now() - (job->batch > 1 ? batch_started[entry % 256] : slot->started);
}

struct loop {
    CURLM *multi;
    int epoll;
    double timer; /* when libcurl wants to be called, or -1 */
};

static int on_socket(CURL *easy, int fd, int what, void *user, void *known) {
    struct loop *loop = user;
    struct epoll_event event = {.events = (what & 1 ? EPOLLIN : 0) | (what & 2 ? EPOLLOUT : 0), .data.fd = fd};
    (void)easy;
    epoll_ctl(loop->epoll, what == 4 ? EPOLL_CTL_DEL : known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (!known) curl.multi_assign(loop->multi, fd, loop);
    return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *user) {
    (void)multi;
    ((struct loop *)user)->timer = milliseconds < 0 ? -1 : now() + (double)milliseconds * 1e-3;
    return 0;
}

/* Handles and connections of the first run, which warms up, serve the second as well. */
static struct loop loop = {.epoll = -1, .timer = -1};
static struct slot *slots;

static void prepare_loop(struct job *job) {
    CURLM *multi = loop.multi = curl.multi_init();
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    curl.multi_setopt(multi, MOPT_SOCKETFUNCTION, on_socket);
    curl.multi_setopt(multi, MOPT_SOCKETDATA, &loop);
    curl.multi_setopt(multi, MOPT_TIMERFUNCTION, on_timer);
    curl.multi_setopt(multi, MOPT_TIMERDATA, &loop);
    curl.multi_setopt(multi, MOPT_MAXCONNECTS, (long)job->in_flight);
}

static void run_loop(struct job *job) {
    struct epoll_event events[256];
    int running = 0, active = 0;
    if (!loop.multi) prepare_loop(job);
    CURLM *multi = loop.multi;
    for (int64_t i = 0; i < job->in_flight; i++)
        if (aim(&slots[i])) curl.multi_add_handle(multi, slots[i].easy), active++;
    while (active) {
        double left = loop.timer < 0 ? 1 : loop.timer - now();
        int ready = epoll_wait(loop.epoll, events, 256, left <= 0 ? 0 : (int)(left * 1e3) + 1);
        for (int i = 0; i < ready; i++) {
            int what = (events[i].events & EPOLLIN ? 1 : 0) | (events[i].events & EPOLLOUT ? 2 : 0) |
                       (events[i].events & (EPOLLERR | EPOLLHUP) ? 4 : 0);
            curl.multi_socket_action(multi, events[i].data.fd, what, &running);
        }
        if (loop.timer >= 0 && now() >= loop.timer) {
            loop.timer = -1;
            curl.multi_socket_action(multi, SOCKET_TIMEOUT, 0, &running);
        }
        struct curl_message *message;
        for (int more; (message = curl.multi_info_read(multi, &more));) {
            struct slot *slot;
            CURL *easy = message->easy;
            int result = message->data.result;
            curl.easy_getinfo(easy, INFO_PRIVATE, &slot);
            curl.multi_remove_handle(multi, easy);
            finish(slot, result);
            if (aim(slot)) curl.multi_add_handle(multi, easy);
            else active--;
        }
    }
}

static void *run_thread(void *argument) {
    struct slot *slot = argument;
    while (aim(slot)) finish(slot, curl.easy_perform(slot->easy));
    return NULL;
}

int limit_run(struct job *job) {
    pthread_t threads[256];
    job->error[0] = 0;
    if (!curl.global_init && load_curl(job)) return -1;
    if (!slots) {
        int64_t count = job->threads ? job->threads : job->in_flight;
        slots = calloc((size_t)count, sizeof *slots);
        for (int64_t i = 0; i < count; i++) prepare(job, &slots[i]);
    }
    atomic_store(&next_call, 0);
    atomic_store(&finished, 0);
    deadline = now() + job->seconds;
    if (!job->threads) run_loop(job);
    else {
        for (int64_t i = 0; i < job->threads; i++) pthread_create(&threads[i], NULL, run_thread, &slots[i]);
        for (int64_t i = 0; i < job->threads; i++) pthread_join(threads[i], NULL);
    }
    job->calls = atomic_load(&finished) / job->batch;
    return job->error[0] ? -1 : 0;
}
