"""Canaille with one user and one client, in one process; see the script beside it for the usage."""

import asyncio
import datetime
import signal
import sys
import tempfile

from asgiref.wsgi import WsgiToAsgi
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc.jwk import RSAKey

port, redirect, *after_logout = sys.argv[1:]
here = f"127.0.0.1:{port}"
folder = tempfile.TemporaryDirectory(prefix="canaille")

app = create_app(
    {
        "SECRET_KEY": "only for tests",
        "SERVER_NAME": here,
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "sql", "NAME": "Test IdP (canaille)", "LOGGING": {"version": 1}},
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder.name}/canaille.sqlite"},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)],
            "DYNAMIC_CLIENT_REGISTRATION_OPEN": True,
        },
    }
)

with app.app_context():
    backend = Backend.instance
    # A preferred username is a display name here: without one, a token names nobody but by `sub`.
    ada = models.User(
        user_name="ada", display_name="ada", formatted_name="Ada L", family_name="L", given_name="Ada",
        emails=["ada@example.test"], password="ada-password",
    )  # fmt: skip
    backend.save(ada)
    backend.save(models.Group(display_name="mcp-registry-user", members=[ada]))
    client = models.Client(
        client_id="web",
        client_secret="web-secret-of-canaille",
        client_id_issued_at=datetime.datetime.now(datetime.UTC),
        client_name="Gatehouse",
        # An address of this machine makes it one that needs no consent.
        client_uri=redirect,
        redirect_uris=[redirect],
        post_logout_redirect_uris=after_logout,
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        response_types=["code"],
        scope=["openid", "profile", "email", "groups", "offline_access"],
        token_endpoint_auth_method="client_secret_basic",
        application_type="web",
        id_token_signed_response_alg="RS256",
    )
    backend.save(client)
    # Without an audience its tokens are for nobody.
    client.audience = [client]
    backend.save(client)
    identity = client.client_id, client.client_secret


async def main():
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    config = Config.from_mapping(bind=[here], loglevel="WARNING")
    server = asyncio.create_task(serve(WsgiToAsgi(app), config, shutdown_trigger=over.wait))
    for _ in range(200):
        try:
            (await asyncio.open_connection("127.0.0.1", int(port)))[1].close()
            break
        except OSError:
            await asyncio.wait([server], timeout=0.05)
            if server.done():
                server.result()
    else:
        sys.exit("canaille did not listen in 10 s")
    print("ready", f"http://{here}", *identity, flush=True)
    await server


asyncio.run(main())
