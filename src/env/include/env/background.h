/* env/background.h - threads whose work can wait */
#pragma once

/* While others want the processor the calling thread gets less of it, from now on. What waits for
 * it must be bounded by somebody. */
void qr_thread_background(void);
