/* scoped_int.h - ALTER DATABASE SCOPED CONFIGURATION: settings of one database, and
 * sys.database_scoped_configurations.
 *
 * A value that somebody has set is a row of the catalog like an extended property, of a class of
 * its own (QRI_PROPERTY_CONFIGURATION): major_id is the option's id, minor_id 0 what holds, 1 what
 * is for secondaries. So it commits with its transaction and goes wherever the database goes, and a
 * program that does not know it reads past it. Most options tell an optimizer what it may do; plans
 * here do not depend on them, and they are kept and shown. Those that would change more than plans
 * take only the value that holds here anyway. */
#pragma once
#include "frame.h"

enum { QRI_PROPERTY_CONFIGURATION = 250 };

/* What the picture's rows say; for qri_catalog. */
void qri_scoped_read(struct qri_catalog *catalog);
/* SET and CLEAR PROCEDURE_CACHE; both leave the plan cache empty. 102, 12108, 12109, 12110, 12117,
 * 12121; QR_UNSUPPORTED. */
enum qr_status qri_run_scoped(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err);
