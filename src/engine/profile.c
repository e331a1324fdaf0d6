#include "profile.h"

#include <stdlib.h>
#include <string.h>

oc_profile *oc_profile_new(size_t option_count, int max_in_flight)
{
    oc_profile *profile = calloc(1, sizeof *profile);
    if (profile == NULL) {
        return NULL;
    }
    profile->options = calloc(option_count ? option_count : 1, sizeof *profile->options);
    if (profile->options == NULL) {
        free(profile);
        return NULL;
    }
    profile->option_count = option_count;
    profile->max_in_flight = max_in_flight;
    profile->references = 1;
    return profile;
}

void oc_profile_set_integer(oc_profile *profile, size_t index, int number, long value)
{
    profile->options[index] = (oc_option){.number = number, .integer = value};
}

int oc_profile_set_data(oc_profile *profile, size_t index, int number, const char *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, data, size);
    copy[size] = '\0';
    profile->options[index] = (oc_option){.number = number, .data = copy, .size = size};
    return 0;
}

void oc_profile_ref(oc_profile *profile) { profile->references++; }

void oc_profile_unref(oc_profile *profile)
{
    if (--profile->references > 0) {
        return;
    }
    for (size_t i = 0; i < profile->option_count; i++) {
        free(profile->options[i].data);
    }
    free(profile->options);
    free(profile);
}

int oc_profile_apply(const oc_profile *profile, oc_easy *easy, int *failed)
{
    for (size_t i = 0; i < profile->option_count; i++) {
        const oc_option *option = &profile->options[i];
        int code;
        if (option->number >= 40000) {
            struct oc_curl_blob blob = {option->data, option->size, OC_CURL_BLOB_NOCOPY};
            code = oc_curl.easy_setopt(easy, option->number, &blob);
        } else if (option->number >= 30000) {
            code = oc_curl.easy_setopt(easy, option->number, (int64_t)option->integer);
        } else if (option->number >= 10000) {
            code = oc_curl.easy_setopt(easy, option->number, option->data);
        } else {
            code = oc_curl.easy_setopt(easy, option->number, option->integer);
        }
        if (code != OC_CURLE_OK) {
            *failed = option->number;
            return code;
        }
    }
    return 0;
}
