/* fingerprint.c - a number for the shape of a statement; see tsql/parse.h */
#include <ctype.h>
#include "base/map.h"
#include "lexer_int.h"
#include "tsql/parse.h"
#include "base/banned.h"

enum { WORD_BYTES_MAX = 256 };

static uint64_t hash_word(const char *p, size_t n, uint64_t seed)
{
    char folded[WORD_BYTES_MAX];
    n = n < sizeof folded ? n : sizeof folded;
    for (size_t i = 0; i < n; i++)
        folded[i] = (char)tolower((unsigned char)p[i]);
    return qr_hash_bytes(folded, n, seed);
}

uint64_t qr_tsql_fingerprint(const char *sql, size_t sql_bytes)
{
    struct qri_lexer lex;
    struct qri_token token;
    uint64_t hash = 0;
    qri_lexer_init(&lex, sql, (uint32_t)sql_bytes);
    for (qri_lexer_next(&lex, &token); token.kind != TOK_END; qri_lexer_next(&lex, &token)) {
        if (token.kind >= TOK_OPEN_STRING || token.begin >= sql_bytes)
            break; /* what follows is another statement */
        bool is_constant = token.kind >= TOK_INT && token.kind <= TOK_BINARY;
        hash = is_constant ? qr_hash_bytes("?", 1, hash)
                           : hash_word(sql + token.begin, token.end - token.begin, hash);
    }
    return hash;
}
