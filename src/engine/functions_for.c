/* functions_for.c - qfor(): the text of FOR JSON and FOR XML (tsql/plan.h). */
#include "functions_int.h"
#include "base/banned.h"

int qri_for_register(struct qri_link *link)
{
    (void)link;
    return SQLITE_OK;
}
