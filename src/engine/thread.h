/* Threads, locks and clocks: the few primitives the engine needs, on POSIX and Windows. */
#ifndef OC_THREAD_H
#define OC_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32

#include <windows.h>

typedef SRWLOCK oc_mutex;
typedef CONDITION_VARIABLE oc_cond;
typedef HANDLE oc_thread;
#define OC_MUTEX_INITIALIZER SRWLOCK_INIT

static inline void oc_mutex_init(oc_mutex *mutex) { InitializeSRWLock(mutex); }
static inline void oc_mutex_destroy(oc_mutex *mutex) { (void)mutex; }
static inline void oc_mutex_lock(oc_mutex *mutex) { AcquireSRWLockExclusive(mutex); }
static inline void oc_mutex_unlock(oc_mutex *mutex) { ReleaseSRWLockExclusive(mutex); }
static inline void oc_cond_init(oc_cond *cond) { InitializeConditionVariable(cond); }
static inline void oc_cond_destroy(oc_cond *cond) { (void)cond; }
static inline void oc_cond_signal(oc_cond *cond) { WakeConditionVariable(cond); }
static inline void oc_cond_wait_ms(oc_cond *cond, oc_mutex *mutex, int64_t milliseconds)
{
    SleepConditionVariableSRW(cond, mutex, (DWORD)milliseconds, 0);
}

static inline int64_t oc_now_us(void)
{
    LARGE_INTEGER frequency, counter;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&counter);
    return (int64_t)((double)counter.QuadPart * 1e6 / (double)frequency.QuadPart);
}

typedef DWORD oc_thread_result;
#define OC_THREAD_CALL WINAPI
static inline int oc_thread_start(oc_thread *thread, oc_thread_result(OC_THREAD_CALL *run)(void *),
                                  void *argument)
{
    *thread = CreateThread(NULL, 0, run, argument, 0, NULL);
    return *thread == NULL ? -1 : 0;
}
static inline void oc_thread_yield(void) { SwitchToThread(); }
static inline void oc_thread_pause_us(int microseconds) { Sleep((DWORD)((microseconds + 999) / 1000)); }
static inline void oc_thread_join(oc_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

#else

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t oc_mutex;
typedef pthread_cond_t oc_cond;
typedef pthread_t oc_thread;
#define OC_MUTEX_INITIALIZER PTHREAD_MUTEX_INITIALIZER

static inline void oc_mutex_init(oc_mutex *mutex) { pthread_mutex_init(mutex, NULL); }
static inline void oc_mutex_destroy(oc_mutex *mutex) { pthread_mutex_destroy(mutex); }
static inline void oc_mutex_lock(oc_mutex *mutex) { pthread_mutex_lock(mutex); }
static inline void oc_mutex_unlock(oc_mutex *mutex) { pthread_mutex_unlock(mutex); }

static inline void oc_cond_init(oc_cond *cond)
{
#ifdef __APPLE__
    pthread_cond_init(cond, NULL);
#else
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}
static inline void oc_cond_destroy(oc_cond *cond) { pthread_cond_destroy(cond); }
static inline void oc_cond_signal(oc_cond *cond) { pthread_cond_signal(cond); }

static inline void oc_cond_wait_ms(oc_cond *cond, oc_mutex *mutex, int64_t milliseconds)
{
    struct timespec until;
#ifdef __APPLE__
    until.tv_sec = (time_t)(milliseconds / 1000);
    until.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    pthread_cond_timedwait_relative_np(cond, mutex, &until);
#else
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(milliseconds / 1000);
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(cond, mutex, &until);
#endif
}

static inline int64_t oc_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

typedef void *oc_thread_result;
#define OC_THREAD_CALL
/* The thread starts with every signal blocked: signals belong to the interpreter's threads. */
static inline int oc_thread_start(oc_thread *thread, oc_thread_result (*run)(void *), void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? -1 : 0;
}
static inline void oc_thread_yield(void) { sched_yield(); }
static inline void oc_thread_pause_us(int microseconds)
{
    struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000L};
    nanosleep(&pause, NULL);
}
static inline void oc_thread_join(oc_thread thread) { pthread_join(thread, NULL); }

#endif
#endif
