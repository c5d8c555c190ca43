// A real OpenID provider on loopback with a few people in it; whoever gives a name is let in as it.
// Says "listening PORT" once it does, and ends when its standard input does.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const CLIENT = { id: process.env.CLIENT_ID, secret: process.env.CLIENT_SECRET };
const PEOPLE = {
  vera: { name: "Vera View", groups: ["travel-viewers"] },
  olga: { name: "Olga Call", groups: ["everybody", "travel-viewers", "travel-on-call"] },
  lena: { name: "Lena Lead", groups: ["travel-viewers", "travel-leads"] },
  nora: { name: "Nora None", groups: ["everybody"] },
};

function isOnLoopback(uri) {
  return new URL(uri).hostname === "127.0.0.1";
}

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      redirect_uris: ["http://127.0.0.1/oauth2callback"],
      post_logout_redirect_uris: ["http://127.0.0.1/oauth2callback"],
    }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    // Else the claims of a scope are only where Streamlit does not look for them.
    conformIdTokenClaims: false,
    findAccount: (_context, id) => PEOPLE[id] && {
      accountId: id,
      claims: () => ({
        sub: id, email: `${id}@example.org`, email_verified: true, ...PEOPLE[id],
      }),
    },
    // Nobody is asked whether their own organisation may know their name.
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
    cookies: { keys: ["of a test"] },
    ttl: { Session: 3600, Grant: 3600, Interaction: 3600, IdToken: 3600, AccessToken: 3600 },
  });
  provider.Client.prototype.redirectUriAllowed = isOnLoopback;
  provider.Client.prototype.postLogoutRedirectUriAllowed = isOnLoopback;
  server.on("request", provider.callback());
  console.log(`listening ${port}`);
});

process.stdin.resume();
process.stdin.on("end", () => process.exit());
