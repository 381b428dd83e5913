/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"): one
 * round per 8 bytes, three at the end. A peer that does not know the key cannot
 * make names or refs fall into one slot.
 */
#include "base/hash.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

/* Until hash_seed(): any fixed value serves. */
static uint64_t key0 = UINT64_C(0x736f6d6570736575);
static uint64_t key1 = UINT64_C(0x646f72616e646f6d);

/* Part of what nodes agree on: never change it. */
static const uint64_t stable_key0 = UINT64_C(0x0706050403020100);
static const uint64_t stable_key1 = UINT64_C(0x0f0e0d0c0b0a0908);

void hash_seed(uint64_t k0, uint64_t k1)
{
    key0 = k0;
    key1 = k1;
}

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* The last 0..7 bytes, little-endian. */
static inline uint64_t load_tail(const uint8_t *p, size_t len)
{
    uint64_t word = 0;
    uint32_t low;

    if (len >= 4) {
        memcpy(&low, p, 4);
        word = low;
    }
    for (size_t i = len & 4; i < len; i++) {
        word |= (uint64_t)p[i] << (8 * i);
    }
    return word;
}

static inline uint64_t sip_hash(uint64_t k0, uint64_t k1, const uint8_t *p,
                                size_t len)
{
    struct sip s = {
        .v0 = k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sip_word(&s, word);
    }
    sip_word(&s, load_tail(p, left) | (uint64_t)len << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
    return sip_hash(key0, key1, bytes, len);
}

uint64_t hash_stable(const void *bytes, size_t len)
{
    return sip_hash(stable_key0, stable_key1, bytes, len);
}

/* Two rounds of multiply and shift, keyed in between: every bit of the value
 * reaches every bit of the hash. Not proof against somebody who sees hashes. */
uint64_t hash_u64(uint64_t value)
{
    uint64_t x = value ^ key0;

    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x += key1;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}
