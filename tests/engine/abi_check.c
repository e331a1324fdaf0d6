/* Holds curl_api.h against libcurl's own headers, where there are any: this file only has to compile. */
#include <curl/curl.h>

#include "curl_api.h"

#if LIBCURL_VERSION_NUM < OC_CURL_MINIMUM
#error "older than what the engine asks for"
#endif

#define SAME(ours, theirs) _Static_assert((long long)(ours) == (long long)(theirs), #ours " is not " #theirs)

#define X(name, number) SAME(OC_OPT_##name, CURLOPT_##name);
OC_CURL_OPTIONS(X)
#undef X
#define X(name, number) SAME(OC_INFO_##name, CURLINFO_##name);
OC_CURL_INFOS(X)
#undef X
#define X(name, number) SAME(OC_MOPT_##name, CURLMOPT_##name);
OC_CURL_MULTI_OPTIONS(X)
#undef X

SAME(OC_CURLE_OK, CURLE_OK);
SAME(OC_CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_HOST);
SAME(OC_CURLE_COULDNT_CONNECT, CURLE_COULDNT_CONNECT);
SAME(OC_CURLE_WRITE_ERROR, CURLE_WRITE_ERROR);
SAME(OC_CURLE_OUT_OF_MEMORY, CURLE_OUT_OF_MEMORY);
SAME(OC_CURLE_ABORTED_BY_CALLBACK, CURLE_ABORTED_BY_CALLBACK);
SAME(OC_CURLMSG_DONE, CURLMSG_DONE);
SAME(OC_CURLPAUSE_CONT, CURLPAUSE_CONT);
SAME(OC_CURL_POLL_IN, CURL_POLL_IN);
SAME(OC_CURL_POLL_OUT, CURL_POLL_OUT);
SAME(OC_CURL_POLL_IN | OC_CURL_POLL_OUT, CURL_POLL_INOUT);
SAME(OC_CURL_POLL_REMOVE, CURL_POLL_REMOVE);
SAME(OC_CURL_POLL_IN, CURL_CSELECT_IN); /* what the poller found is handed to libcurl as it is */
SAME(OC_CURL_POLL_OUT, CURL_CSELECT_OUT);
SAME(4, CURL_CSELECT_ERR);
SAME(OC_CURLPIPE_MULTIPLEX, CURLPIPE_MULTIPLEX);
SAME(OC_CURL_WRITEFUNC_PAUSE, CURL_WRITEFUNC_PAUSE);
SAME(OC_CURL_GLOBAL_ALL, CURL_GLOBAL_ALL);
SAME(OC_CURL_ERROR_SIZE, CURL_ERROR_SIZE);
SAME(OC_CURL_BLOB_NOCOPY, CURL_BLOB_NOCOPY);
SAME(OC_CURL_VERSION_SSL, CURL_VERSION_SSL);
SAME(OC_CURL_VERSION_THREADSAFE, CURL_VERSION_THREADSAFE);
SAME(OC_CURL_SOCKET_TIMEOUT, CURL_SOCKET_TIMEOUT);
/* Members that later versions appended are not used. */
_Static_assert((int)OC_CURLVERSION_NOW >= (int)CURLVERSION_ELEVENTH, "curl_version_info of another age");

#define SAME_MEMBER(our_type, ours, their_type, theirs)                  \
    SAME(offsetof(struct our_type, ours), offsetof(their_type, theirs)); \
    SAME(sizeof((struct our_type *)0)->ours, sizeof((their_type *)0)->theirs)

SAME(sizeof(struct oc_curl_slist), sizeof(struct curl_slist));
SAME_MEMBER(oc_curl_slist, data, struct curl_slist, data);
SAME_MEMBER(oc_curl_slist, next, struct curl_slist, next);
SAME(sizeof(struct oc_curl_blob), sizeof(struct curl_blob));
SAME_MEMBER(oc_curl_blob, data, struct curl_blob, data);
SAME_MEMBER(oc_curl_blob, len, struct curl_blob, len);
SAME_MEMBER(oc_curl_blob, flags, struct curl_blob, flags);
SAME(sizeof(struct oc_curl_msg), sizeof(CURLMsg));
SAME_MEMBER(oc_curl_msg, msg, CURLMsg, msg);
SAME_MEMBER(oc_curl_msg, easy, CURLMsg, easy_handle);
SAME_MEMBER(oc_curl_msg, data.result, CURLMsg, data.result);
SAME_MEMBER(oc_curl_version, version, curl_version_info_data, version);
SAME_MEMBER(oc_curl_version, version_num, curl_version_info_data, version_num);
SAME_MEMBER(oc_curl_version, features, curl_version_info_data, features);
SAME_MEMBER(oc_curl_version, ssl_version, curl_version_info_data, ssl_version);

SAME(sizeof(oc_curl_socket), sizeof(curl_socket_t));
SAME(sizeof(int64_t), sizeof(curl_off_t));
/* Where we write int, libcurl has an enum. */
SAME(sizeof(int), sizeof(CURLcode));
SAME(sizeof(int), sizeof(CURLMcode));
SAME(sizeof(int), sizeof(CURLoption));
SAME(sizeof(int), sizeof(CURLINFO));
SAME(sizeof(int), sizeof(CURLMoption));
SAME(sizeof(int), sizeof(CURLversion));

#define FUNCTION(name, type) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(curl_##name), type), "curl_" #name)

/* easy_setopt and others may be macros that check types. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
FUNCTION(global_init, CURLcode(long));
FUNCTION(version_info, curl_version_info_data *(CURLversion));
FUNCTION(easy_init, CURL *(void));
FUNCTION(easy_cleanup, void(CURL *));
FUNCTION(easy_setopt, CURLcode(CURL *, CURLoption, ...));
FUNCTION(easy_getinfo, CURLcode(CURL *, CURLINFO, ...));
FUNCTION(easy_pause, CURLcode(CURL *, int));
FUNCTION(easy_strerror, const char *(CURLcode));
FUNCTION(multi_init, CURLM *(void));
FUNCTION(multi_cleanup, CURLMcode(CURLM *));
FUNCTION(multi_setopt, CURLMcode(CURLM *, CURLMoption, ...));
FUNCTION(multi_add_handle, CURLMcode(CURLM *, CURL *));
FUNCTION(multi_remove_handle, CURLMcode(CURLM *, CURL *));
FUNCTION(multi_socket_action, CURLMcode(CURLM *, curl_socket_t, int, int *));
FUNCTION(multi_info_read, CURLMsg *(CURLM *, int *));
FUNCTION(multi_strerror, const char *(CURLMcode));

/* The callbacks the engine sets. */
_Static_assert(__builtin_types_compatible_p(curl_write_callback, size_t (*)(char *, size_t, size_t, void *)),
               "write");
_Static_assert(__builtin_types_compatible_p(curl_socket_callback,
                                            int (*)(CURL *, curl_socket_t, int, void *, void *)),
               "socket");
_Static_assert(__builtin_types_compatible_p(curl_multi_timer_callback, int (*)(CURLM *, long, void *)),
               "timer");
_Static_assert(__builtin_types_compatible_p(curl_sockopt_callback,
                                            int (*)(void *, curl_socket_t, curlsocktype)),
               "sockopt");
_Static_assert(__builtin_types_compatible_p(curl_closesocket_callback, int (*)(void *, curl_socket_t)),
               "close");

int main(void) { return 0; }
