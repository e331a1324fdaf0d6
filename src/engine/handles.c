#include "handles.h"

#include <stdlib.h>

#ifndef _WIN32
#include <unistd.h>
#endif

static void handle_free(oc_loop *loop, oc_handle *handle)
{
    if (handle->before != NULL) {
        handle->before->next = handle->next;
    } else {
        loop->handles = handle->next;
    }
    if (handle->next != NULL) {
        handle->next->before = handle->before;
    }
    if (handle->easy != NULL) {
        oc_curl.easy_cleanup(handle->easy);
    }
    oc_profile_unref(handle->profile);
    free(handle);
}

static int on_socket_opened(void *loop, oc_curl_socket fd, int purpose)
{
    (void)purpose;
    oc_poller_opened(((oc_loop *)loop)->poller, fd);
    return 0;
}

static int on_socket_close(void *loop, oc_curl_socket fd)
{
    oc_poller_closed(((oc_loop *)loop)->poller, fd);
#ifdef _WIN32
    return closesocket(fd);
#else
    return close(fd);
#endif
}

/* Options that never change. Keys are bytes on the wire: no path squashing, no decoding; signals are the
 * interpreter's. The profile's options come last, so that a user can override. */
static int handle_prepare(oc_loop *loop, oc_handle *handle, int *failed)
{
    oc_easy *easy = handle->easy;
    oc_curl.easy_setopt(easy, OC_OPT_NOSIGNAL, 1L);
    oc_curl.easy_setopt(easy, OC_OPT_PATH_AS_IS, 1L);
    oc_curl.easy_setopt(easy, OC_OPT_PROTOCOLS_STR, "http,https");
    oc_curl.easy_setopt(easy, OC_OPT_QUICK_EXIT, 1L);
    oc_curl.easy_setopt(easy, OC_OPT_SUPPRESS_CONNECT_HEADERS, 1L);
    oc_curl.easy_setopt(easy, OC_OPT_BUFFERSIZE, 512L * 1024);
    oc_curl.easy_setopt(easy, OC_OPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    oc_curl.easy_setopt(easy, OC_OPT_ERRORBUFFER, handle->error);
    oc_curl.easy_setopt(easy, OC_OPT_SOCKOPTFUNCTION, on_socket_opened);
    oc_curl.easy_setopt(easy, OC_OPT_SOCKOPTDATA, loop);
    oc_curl.easy_setopt(easy, OC_OPT_CLOSESOCKETFUNCTION, on_socket_close);
    oc_curl.easy_setopt(easy, OC_OPT_CLOSESOCKETDATA, loop);
    oc_curl.easy_setopt(easy, OC_OPT_WRITEFUNCTION, oc_transfer_on_body);
    oc_curl.easy_setopt(easy, OC_OPT_HEADERFUNCTION, oc_transfer_on_header);
    return oc_profile_apply(handle->profile, easy, failed);
}

static oc_handle *handle_new(oc_loop *loop, oc_profile *profile)
{
    oc_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        return NULL;
    }
    oc_profile_ref(profile);
    handle->profile = profile;
    handle->next = loop->handles;
    if (loop->handles != NULL) {
        loop->handles->before = handle;
    }
    loop->handles = handle;
    handle->easy = oc_curl.easy_init();
    if (handle->easy == NULL) {
        handle_free(loop, handle);
        return NULL;
    }
    return handle;
}

/* An idle handle of the profile, taken out of the list; NULL: none. */
static oc_handle *idle_take(oc_loop *loop, const oc_profile *profile)
{
    for (oc_handle **link = &loop->idle; *link != NULL; link = &(*link)->next_idle) {
        oc_handle *handle = *link;
        if (handle->profile == profile) {
            *link = handle->next_idle;
            return handle;
        }
    }
    return NULL;
}

oc_handle *oc_handle_get(oc_loop *loop, oc_profile *profile, int *code, int *failed_option)
{
    oc_handle *handle = idle_take(loop, profile);
    if (handle != NULL) {
        return handle;
    }
    oc_handles_drop_retired(loop); /* a busy loop finds no other time for it */
    *code = OC_CURLE_OUT_OF_MEMORY;
    handle = handle_new(loop, profile);
    if (handle != NULL) {
        *code = handle_prepare(loop, handle, failed_option);
        if (*code != OC_CURLE_OK) {
            handle_free(loop, handle);
            return NULL;
        }
    }
    return handle;
}

void oc_handle_put(oc_loop *loop, oc_handle *handle)
{
    if (handle->profile->retired) {
        handle_free(loop, handle);
        return;
    }
    handle->next_idle = loop->idle;
    loop->idle = handle;
}

void oc_handles_drop_retired(oc_loop *loop)
{
    oc_handle **link = &loop->idle;
    while (*link != NULL) {
        oc_handle *handle = *link;
        if (handle->profile->retired) {
            *link = handle->next_idle;
            handle_free(loop, handle);
        } else {
            link = &handle->next_idle;
        }
    }
}

void oc_handles_free_all(oc_loop *loop)
{
    loop->idle = NULL;
    while (loop->handles != NULL) {
        handle_free(loop, loop->handles);
    }
}
