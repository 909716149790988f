/* lexer_int.h - T-SQL text to tokens, one at a time.
 *
 * Pure; a lexer is a small value that may be copied to come back to a place. Tokens are slices of
 * the text; quotes and escapes are undone by whoever keeps a token (qri_token_text). Whether "x" is
 * a name or a string depends on QUOTED_IDENTIFIER, which the parser knows: it is one token kind. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"
#include "tsql_keywords.h"

/* Punctuation of one character is its own kind. */
enum qri_token_kind {
    TOK_END = 0,
    TOK_IDENT = 256, /* or keyword */
    TOK_BRACKET,     /* [x] */
    TOK_DQUOTE,      /* "x" */
    TOK_VARIABLE,    /* @x */
    TOK_GLOBAL,      /* @@x */
    TOK_PSEUDO,      /* $identity */
    TOK_INT,         /* constants from here ... */
    TOK_NUMERIC,
    TOK_FLOAT,
    TOK_MONEY,
    TOK_STRING,
    TOK_NSTRING,
    TOK_BINARY, /* ... to here */
    TOK_LE,
    TOK_GE,
    TOK_NE,
    TOK_NOT_LT,
    TOK_NOT_GT,
    TOK_ADD_EQ,
    TOK_SUB_EQ,
    TOK_MUL_EQ,
    TOK_DIV_EQ,
    TOK_MOD_EQ,
    TOK_AND_EQ,
    TOK_OR_EQ,
    TOK_XOR_EQ,
    TOK_CONCAT,      /* || */
    TOK_SHIFT_LEFT,  /* << */
    TOK_SHIFT_RIGHT, /* >> */
    TOK_COLONS,      /* :: */
    TOK_BAD,         /* a byte that begins nothing */
    /* errors that end the text */
    TOK_OPEN_STRING,
    TOK_OPEN_COMMENT,
    TOK_LONG_NAME,
};

struct qri_token {
    uint16_t kind;    /* enum qri_token_kind or a character */
    uint16_t keyword; /* enum qri_keyword, of TOK_IDENT */
    bool reserved;
    bool escaped; /* a doubled quote or line continuation is in it */
    uint32_t begin, end;
    uint32_t line;
    uint32_t ordinal; /* constants, and "x" */
};

struct qri_lexer {
    const char *text; /* followed by a NUL that is not counted */
    uint32_t size, at;
    uint32_t line;
    uint32_t ordinal; /* of the next constant */
};

void qri_lexer_init(struct qri_lexer *lex, const char *text, uint32_t size);
void qri_lexer_next(struct qri_lexer *lex, struct qri_token *ret_token);
/* What the token means: quotes gone, doubled quotes single, @ kept, 0x and currency sign gone.
 * Borrows the text where nothing changed. NULL .p when the arena is full. */
struct qr_str qri_token_text(const struct qri_lexer *lex, const struct qri_token *token,
                             struct qr_arena *arena);
/* KW_NONE if it is none. Case does not matter. */
enum qri_keyword qri_keyword_find(const char *word, size_t bytes, bool *ret_reserved);
const char *qri_keyword_name(enum qri_keyword keyword);
