/* A fork copies locks as they are: one that another thread holds stays locked in the child for ever. libcurl,
 * OpenSSL and libc have locks that nobody can renew (curl_easy_init spins on one). So whoever is about to
 * work with them says so, and a fork waits until nobody does.
 */
#ifndef OC_FORK_H
#define OC_FORK_H

/* Around every piece of work with libcurl that is done without the interpreter's lock; not nested. Waits
 * while a fork is under way, but not for ever: a fork may itself be held up. */
void oc_work_begin(void);
void oc_work_end(void);

/* Before a fork: waits a little until nobody works. Forks may overlap up to this point. */
void oc_fork_prepare(void);
void oc_fork_done_in_parent(void);
void oc_fork_done_in_child(void);

#endif
