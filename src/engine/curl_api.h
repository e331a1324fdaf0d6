/* The part of libcurl's binary interface that the engine uses, written down once.
 *
 * libcurl is the library that the installed pycurl carries or links to; it is opened at run time, so nothing
 * here is linked and no libcurl header is needed to build. libcurl keeps these numbers and layouts stable
 * within its soname (https://curl.se/libcurl/abi.html). tests/unit/test_curl_abi.py holds every number
 * against pycurl's constants, and tests/engine/abi_check.c against <curl/curl.h> where headers are installed.
 */
#ifndef OC_CURL_API_H
#define OC_CURL_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#include <winsock2.h>
typedef SOCKET oc_curl_socket;
#else
typedef int oc_curl_socket;
#endif

typedef void oc_easy;
typedef void oc_multi;

struct oc_curl_slist {
    char *data;
    struct oc_curl_slist *next;
};

struct oc_curl_blob {
    void *data;
    size_t len;
    unsigned int flags;
};

struct oc_curl_msg {
    int msg;
    oc_easy *easy;
    union {
        void *whatever;
        int result;
    } data;
};

struct oc_curl_version {
    int age;
    const char *version;
    unsigned int version_num;
    const char *host;
    int features;
    const char *ssl_version;
};

/* name, number: X(name, number) for every option set by the engine or named by ClientConfig. */
#define OC_CURL_OPTIONS(X)           \
    X(WRITEDATA, 10001)              \
    X(URL, 10002)                    \
    X(PROXY, 10004)                  \
    X(ERRORBUFFER, 10010)            \
    X(POSTFIELDS, 10015)             \
    X(USERAGENT, 10018)              \
    X(LOW_SPEED_LIMIT, 19)           \
    X(LOW_SPEED_TIME, 20)            \
    X(HTTPHEADER, 10023)             \
    X(HEADERDATA, 10029)             \
    X(CUSTOMREQUEST, 10036)          \
    X(VERBOSE, 41)                   \
    X(NOBODY, 44)                    \
    X(POST, 47)                      \
    X(FOLLOWLOCATION, 52)            \
    X(SSL_VERIFYPEER, 64)            \
    X(CAINFO, 10065)                 \
    X(HTTPGET, 80)                   \
    X(SSL_VERIFYHOST, 81)            \
    X(HTTP_VERSION, 84)              \
    X(CAPATH, 10097)                 \
    X(BUFFERSIZE, 98)                \
    X(NOSIGNAL, 99)                  \
    X(PRIVATE, 10103)                \
    X(POSTFIELDSIZE_LARGE, 30120)    \
    X(TCP_NODELAY, 121)              \
    X(TIMEOUT_MS, 155)               \
    X(CONNECTTIMEOUT_MS, 156)        \
    X(NOPROXY, 10177)                \
    X(TCP_KEEPALIVE, 213)            \
    X(TCP_KEEPIDLE, 214)             \
    X(TCP_KEEPINTVL, 215)            \
    X(PIPEWAIT, 237)                 \
    X(PATH_AS_IS, 234)               \
    X(PROXY_CAINFO, 10246)           \
    X(SUPPRESS_CONNECT_HEADERS, 265) \
    X(DNS_SHUFFLE_ADDRESSES, 275)    \
    X(UPLOAD_BUFFERSIZE, 280)        \
    X(UPKEEP_INTERVAL_MS, 281)       \
    X(MAXAGE_CONN, 288)              \
    X(CAINFO_BLOB, 40309)            \
    X(PROXY_CAINFO_BLOB, 40310)      \
    X(MAXLIFETIME_CONN, 314)         \
    X(PROTOCOLS_STR, 10318)          \
    X(CA_CACHE_TIMEOUT, 321)         \
    X(QUICK_EXIT, 322)               \
    X(SOCKOPTDATA, 10149)            \
    X(CLOSESOCKETDATA, 10209)        \
    X(SOCKOPTFUNCTION, 20148)        \
    X(CLOSESOCKETFUNCTION, 20208)    \
    X(WRITEFUNCTION, 20011)          \
    X(HEADERFUNCTION, 20079)

#define OC_CURL_INFOS(X)                   \
    X(PRIVATE, 0x100000 + 21)              \
    X(RESPONSE_CODE, 0x200000 + 2)         \
    X(HTTP_VERSION, 0x200000 + 46)         \
    X(TOTAL_TIME_T, 0x600000 + 50)         \
    X(NAMELOOKUP_TIME_T, 0x600000 + 51)    \
    X(CONNECT_TIME_T, 0x600000 + 52)       \
    X(PRETRANSFER_TIME_T, 0x600000 + 53)   \
    X(STARTTRANSFER_TIME_T, 0x600000 + 54) \
    X(APPCONNECT_TIME_T, 0x600000 + 56)

#define OC_CURL_MULTI_OPTIONS(X) \
    X(SOCKETFUNCTION, 20001)     \
    X(SOCKETDATA, 10002)         \
    X(PIPELINING, 3)             \
    X(TIMERFUNCTION, 20004)      \
    X(TIMERDATA, 10005)          \
    X(MAXCONNECTS, 6)

enum {
#define X(name, number) OC_OPT_##name = number,
    OC_CURL_OPTIONS(X)
#undef X
#define X(name, number) OC_INFO_##name = number,
        OC_CURL_INFOS(X)
#undef X
#define X(name, number) OC_MOPT_##name = number,
            OC_CURL_MULTI_OPTIONS(X)
#undef X
};

enum {
    OC_CURLE_OK = 0,
    OC_CURLE_COULDNT_RESOLVE_HOST = 6,
    OC_CURLE_COULDNT_CONNECT = 7,
    OC_CURLE_WRITE_ERROR = 23,
    OC_CURLE_OUT_OF_MEMORY = 27,
    OC_CURLE_ABORTED_BY_CALLBACK = 42,
    OC_CURLMSG_DONE = 1,
    OC_CURLPAUSE_CONT = 0,
    OC_CURL_POLL_IN = 1,
    OC_CURL_POLL_OUT = 2,
    OC_CURL_POLL_REMOVE = 4,
    OC_CURLPIPE_MULTIPLEX = 2,
    OC_CURL_WRITEFUNC_PAUSE = 0x10000001,
    OC_CURL_GLOBAL_ALL = 3,
    OC_CURL_ERROR_SIZE = 256,
    OC_CURL_BLOB_NOCOPY = 0,
    OC_CURL_VERSION_SSL = 1 << 2,
    OC_CURL_VERSION_THREADSAFE = 1 << 30,
    OC_CURLVERSION_NOW = 11,
};

#define OC_CURL_SOCKET_TIMEOUT ((oc_curl_socket) - 1)

/* First release with every option above (CURLOPT_QUICK_EXIT, CURLOPT_CA_CACHE_TIMEOUT). */
#define OC_CURL_MINIMUM 0x075700u
#define OC_CURL_MINIMUM_TEXT "7.87.0"

#define OC_CURL_FUNCTIONS(X)                                                                         \
    X(int, global_init, (long flags))                                                                \
    X(struct oc_curl_version *, version_info, (int age))                                             \
    X(oc_easy *, easy_init, (void))                                                                  \
    X(void, easy_cleanup, (oc_easy * easy))                                                          \
    X(int, easy_setopt, (oc_easy * easy, int option, ...))                                           \
    X(int, easy_getinfo, (oc_easy * easy, int info, ...))                                            \
    X(int, easy_pause, (oc_easy * easy, int bitmask))                                                \
    X(const char *, easy_strerror, (int code))                                                       \
    X(oc_multi *, multi_init, (void))                                                                \
    X(int, multi_cleanup, (oc_multi * multi))                                                        \
    X(int, multi_setopt, (oc_multi * multi, int option, ...))                                        \
    X(int, multi_add_handle, (oc_multi * multi, oc_easy * easy))                                     \
    X(int, multi_remove_handle, (oc_multi * multi, oc_easy * easy))                                  \
    X(int, multi_socket_action, (oc_multi * multi, oc_curl_socket socket, int events, int *running)) \
    X(struct oc_curl_msg *, multi_info_read, (oc_multi * multi, int *left))                          \
    X(const char *, multi_strerror, (int code))

struct oc_curl {
#define X(type, name, arguments) type(*name) arguments;
    OC_CURL_FUNCTIONS(X)
#undef X
};

/* Filled once by oc_curl_load, read-only afterwards. */
extern struct oc_curl oc_curl;

/* Opens the shared library at `path` (pycurl's extension module, or libcurl itself), takes the functions
 * above from it or its dependencies and initialises libcurl. Returns 0, or -1 with a sentence in `error`. Not
 * thread-safe: called once, at import. */
int oc_curl_load(const char *path, char *error, size_t error_size);

/* The number of the option called `name` (without CURLOPT_), or -1. */
int oc_curl_option_number(const char *name);

#endif
