/* test_languages.c - SET LANGUAGE, and where errors of dynamic SQL say they arose: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"set language Deutsch\n"
     "select @@language, @@langid, @@datefirst, datename(month, '20200301') m, "
     "datename(weekday, '20200301') d, cast('31.12.2020' as datetime) x, datename(year, "
     "'20200301') y",
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to Deutsch.\n"
     "COLS nvarchar(128), smallint, tinyint, m nvarchar(30), d nvarchar(30), x datetime, y "
     "nvarchar(30)\n"
     "ROW Deutsch|1|1|März|Sonntag|Dec 31 2020 12:00AM|2020\n"
     "DONE 1\n"},
    {"set language French\n"
     "select datename(month, '20200201'), datename(weekday, cast('20200201' as datetime2)), "
     "datename(day, '20200201')",
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to Français.\n"
     "COLS nvarchar(30), nvarchar(30), nvarchar(30)\n"
     "ROW février|samedi|1\n"
     "DONE 1\n"},
    {"set language 'Brazilian'\n"
     "select datename(dw, '20240106')\n"
     "set language us_english\n"
     "select datename(month, '20200301') m, @@datefirst\n"
     "select name, dateformat, datefirst, lcid from sys.syslanguages where langid < 3 order by "
     "langid",
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to Português (Brasil).\n"
     "COLS nvarchar(30)\n"
     "ROW Sábado\n"
     "DONE 1\n"
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to us_english.\n"
     "COLS m nvarchar(30), tinyint\n"
     "ROW March|7\n"
     "DONE 1\n"
     "COLS name nvarchar(128), dateformat nchar(3), datefirst tinyint, lcid int\n"
     "ROW us_english|mdy|7|1033\n"
     "ROW Deutsch|dmy|1|1031\n"
     "ROW Français|dmy|1|1036\n"
     "DONE 3\n"},
    {"create proc pg as exec('select 1/0')",
     "DONE\n"},
    {"create proc ph as exec pg",
     "DONE\n"},
    {"begin try exec ph end try begin catch select error_procedure(), error_line() end catch\n"
     "begin try exec('declare @i int = 1/0') end try begin catch select error_procedure(), "
     "error_line() end catch",
     "COLS int\n"
     "DONE\n"
     "COLS nvarchar(128), int\n"
     "ROW NULL|1\n"
     "DONE 1\n"
     "COLS nvarchar(128), int\n"
     "ROW NULL|1\n"
     "DONE 1\n"},
    {"create proc pn as begin try select 1/0 end try begin catch throw end catch",
     "DONE\n"},
    {"exec pn\n"
     "select 1/0",
     "COLS int\n"
     "DONEINPROC\n"
     "MSG 8134 16 1 line 1 pn: Divide by zero error encountered.\n"
     "DONEINPROC error\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/languages", batches, sizeof batches / sizeof batches[0]);
}
