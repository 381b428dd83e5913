/* SPDX-License-Identifier: Apache-2.0
 *
 * Ciphertext is used up by each round of inlet_next() (the library keeps what
 * belongs to a record that has not come whole), so its buffer is empty when the
 * next read comes.
 */
#include "dist/inlet.h"

#include <cnode/error.h>

void inlet_init(struct inlet *inlet, struct tls *tls)
{
    *inlet = (struct inlet){.tls = tls};
    read_buffer_init(&inlet->cipher);
    read_buffer_init(&inlet->plain);
}

void inlet_fini(struct inlet *inlet)
{
    read_buffer_fini(&inlet->cipher);
    read_buffer_fini(&inlet->plain);
}

uint8_t *inlet_room(struct inlet *inlet, size_t *room)
{
    return read_buffer_room(inlet->tls == NULL ? &inlet->plain : &inlet->cipher,
                            room);
}

void inlet_commit(struct inlet *inlet, size_t n)
{
    inlet->bytes += n;
    inlet->is_fresh = true;
    if (inlet->tls == NULL) {
        read_buffer_commit(&inlet->plain, n);
        return;
    }
    read_buffer_commit(&inlet->cipher, n);
    tls_feed(inlet->tls, inlet->cipher.bytes, inlet->cipher.size);
}

static int decipher(struct inlet *inlet)
{
    size_t room = 0, n = 0;
    uint8_t *at = read_buffer_room(&inlet->plain, &room);
    int rc = at == NULL ? CNODE_NOMEM : tls_take(inlet->tls, at, room, &n);

    if (rc == 0 && n > 0) {
        read_buffer_commit(&inlet->plain, n);
        return 1;
    }
    inlet->is_fresh = false;
    return rc < 0 ? rc
                  : read_buffer_take(&inlet->cipher, inlet->cipher.size, 0);
}

int inlet_next(struct inlet *inlet)
{
    if (!inlet->is_fresh) {
        return 0;
    }
    if (inlet->tls != NULL) {
        return decipher(inlet);
    }
    inlet->is_fresh = false;
    return 1;
}

int inlet_take(struct inlet *inlet, size_t used, size_t packet)
{
    return read_buffer_take(&inlet->plain, used, packet);
}

void inlet_relax(struct inlet *inlet)
{
    read_buffer_relax(&inlet->plain);
    read_buffer_relax(&inlet->cipher);
}
