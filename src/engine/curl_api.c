#include "curl_api.h"

#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

struct oc_curl oc_curl;

#ifdef _WIN32

static void *library_open(const char *path, char *error, size_t error_size)
{
    HMODULE library = LoadLibraryExA(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    if (library == NULL) {
        snprintf(error, error_size, "%s cannot be loaded (error %lu)", path, GetLastError());
    }
    return (void *)library;
}

static void *library_symbol(void *library, const char *name)
{
    return (void *)GetProcAddress((HMODULE)library, name);
}

#else

static void *library_open(const char *path, char *error, size_t error_size)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(error, error_size, "%s cannot be loaded: %s", path, dlerror());
    }
    return library;
}

/* A handle's own dependencies are searched too: this is how pycurl's extension leads to its libcurl. */
static void *library_symbol(void *library, const char *name) { return dlsym(library, name); }

#endif

static int check_version(char *error, size_t error_size)
{
    struct oc_curl_version *info = oc_curl.version_info(OC_CURLVERSION_NOW);
    if (info->version_num < OC_CURL_MINIMUM) {
        snprintf(error, error_size, "its libcurl is %s, and obstore_c needs at least " OC_CURL_MINIMUM_TEXT,
                 info->version);
        return -1;
    }
    if (!(info->features & OC_CURL_VERSION_THREADSAFE)) {
        snprintf(error, error_size, "its libcurl %s was built without thread-safe initialisation",
                 info->version);
        return -1;
    }
    return 0;
}

int oc_curl_load(const char *path, char *error, size_t error_size)
{
    void *library = library_open(path, error, error_size);
    if (library == NULL) {
        return -1;
    }
#define X(type, name, arguments)                                             \
    *(void **)&oc_curl.name = library_symbol(library, "curl_" #name);        \
    if (oc_curl.name == NULL) {                                              \
        snprintf(error, error_size,                                          \
                 "%s has no function curl_" #name                            \
                 ": libcurl is missing or older than " OC_CURL_MINIMUM_TEXT, \
                 path);                                                      \
        return -1;                                                           \
    }
    OC_CURL_FUNCTIONS(X)
#undef X
    if (check_version(error, error_size) < 0) {
        return -1;
    }
    int code = oc_curl.global_init(OC_CURL_GLOBAL_ALL);
    if (code != OC_CURLE_OK) {
        snprintf(error, error_size, "libcurl cannot be initialised: %s", oc_curl.easy_strerror(code));
        return -1;
    }
    return 0;
}

int oc_curl_option_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } options[] = {
#define X(name, number) {#name, number},
        OC_CURL_OPTIONS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return options[i].number;
        }
    }
    return -1;
}
