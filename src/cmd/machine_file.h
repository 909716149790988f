/* machine_file.h - the files by which machines of one service know each other.
 *
 * DATA/machines/ca.pem   key and certificate of the service's CA
 * DATA/machines/self.pem the identity of the service's own machine
 * FILE of `quire machine add`: the identity of another one
 * An identity (rpc/identity.h) begins with a line that says where control is. */
#pragma once

#define QRI_CONTROL_NOTE "quire-control: " /* and "tcp:HOST:PORT" */
enum {
    QRI_CA_DAYS = 20 * 365,
    QRI_IDENTITY_DAYS = 5 * 365,
    QRI_IDENTITY_WARN_DAYS = 60,
};
