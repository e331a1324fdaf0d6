/* The engine under test without Python: `test_engine LIBCURL CASE` runs one case, `test_engine` names them
 * all.
 *
 * A case that goes wrong aborts. Whatever it did, everything must be given back at its end: memory (which
 * LeakSanitizer sees), slabs, descriptors.
 */
#include "harness.h"

static const test_case *const all_cases[] = {body_cases, life_cases, load_cases, caller_cases, memory_cases};
enum { FILES = sizeof all_cases / sizeof *all_cases };

static const test_case *find(const char *name)
{
    for (int file = 0; file < FILES; file++) {
        for (const test_case *one = all_cases[file]; one->name != NULL; one++) {
            if (name == NULL) {
                puts(one->name);
            } else if (strcmp(one->name, name) == 0) {
                return one;
            }
        }
    }
    return NULL;
}

static void load(const char *path)
{
    char error[512];
    if (oc_curl_load(path, error, sizeof error) < 0) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
}

static void once(void)
{
    engine_start(1, 8);
    end(exchange((ask){.path = "/bytes/10"}));
    engine_end();
}

static void run(const test_case *test)
{
    size_t idle = 0, out = 0;
    profile = oc_profile_new(0, 256);
    CHECK(profile != NULL);
    http_server_start();
    test->run();
    CHECK(engine == NULL);
    http_server_stop();
    CHECK_EQUAL(profile->references, 1);
    oc_profile_unref(profile);
    oc_pool_stats(&idle, &out);
    CHECK_EQUAL(out, 0);
    oc_pool_trim(INT64_MAX);
    oc_pool_stats(&idle, &out);
    CHECK_EQUAL(idle, 0);
}

int main(int count, char **arguments)
{
    if (count < 3) {
        find(NULL);
        return 0;
    }
    const test_case *test = find(arguments[2]);
    CHECK(test != NULL);
    load(arguments[1]);
    /* Once before: what libcurl and libc open for good is open then. */
    run(&(test_case){"once", once});
    int descriptors = count_descriptors();
    run(test);
    CHECK_EQUAL(count_descriptors(), descriptors);
    return 0;
}
