/* env/thread.h - threads with a name and a chosen stack; condition variables on the monotonic
 * clock.
 *
 * Mutexes are plain pthread ones. Simulated tests start no threads: they drive the step functions
 * that a thread's loop would call. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* `name` is cut at 15 bytes; `stack_bytes` 0 means 256 KiB. All signals are blocked in the thread:
 * the main thread takes them. Join with pthread_join. */
QR_NODISCARD enum qr_status qr_thread_start(const char *name, size_t stack_bytes,
                                            void *(*run)(void *arg), void *arg,
                                            pthread_t *ret_thread, struct qr_err *err);

void qr_cond_init(pthread_cond_t *cond);
/* Waits at most `ns` (negative: for ever). QR_TIMEOUT, or QR_OK after a wake-up, maybe a false one.
 */
enum qr_status qr_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t ns);
/* Processor time that the calling thread has used since it began. Costs about a microsecond. */
uint64_t qr_thread_cpu_ns(void);
