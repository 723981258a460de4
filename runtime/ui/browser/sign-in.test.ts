import { expect, test } from "./test";
import { PASSWORD } from "./visitor";

const EMAIL = "ada@skyways.example";
const REFUSED = /status of 401/;

test("a one-time link, a password, sign-out and sign-in", async ({ airline, visit }) => {
  const ada = await visit();
  await ada.enter();
  await ada.signOut();

  await ada.signIn(EMAIL, "not the password");
  await ada.page.getByRole("alert").waitFor();
  expect(await ada.page.getByRole("alert").textContent()).toMatch(/Request /);
  await ada.signIn(EMAIL);
  await ada.heading("Logbook").waitFor();
  ada.forgive(REFUSED);

  const another = await visit();
  await another.page.goto(airline.link);
  await another.button("Continue").click();
  await another.page.getByRole("alert").waitFor();
  another.forgive(REFUSED);
});

test("who is not signed in gets to the page that was asked for afterwards", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  await ada.enter();
  await ada.signOut();
  await ada.page.goto(`/pireps/${id}`);
  await ada.signIn(EMAIL);
  await ada.heading("ANZ4376").waitFor();
  expect(new URL(ada.page.url()).pathname).toBe(`/pireps/${id}`);

  await ada.signOut();
  await ada.page.goto("/sign-in?next=//elsewhere.example/");
  await ada.signIn(EMAIL);
  await ada.heading("Logbook").waitFor();
  ada.forgive(REFUSED);
});

test("a new password counts from the next sign-in on", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  await ada.page.getByRole("link", { name: "Ada Lovelace" }).click();
  await ada.page.getByLabel("Current password").fill(PASSWORD);
  await ada.page.getByLabel("New password").fill("five words make another one");
  await ada.button("Save password").click();
  await ada.page.getByText("Your password is changed.").waitFor();
  await ada.signOut();
  await ada.signIn(EMAIL, "five words make another one");
  await ada.heading("Logbook").waitFor();
  ada.forgive(REFUSED);
});

test("sign-in by keyboard alone", async ({ visit }) => {
  const ada = await visit();
  await ada.page.goto(ada.airline.link);
  const { keyboard } = ada.page;
  await ada.tabTo(ada.button("Continue"));
  await keyboard.press("Enter");
  await ada.tabTo(ada.page.getByLabel("New password"));
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await ada.heading("Logbook").waitFor();
  await ada.tabTo(ada.button("Sign out"));
  await keyboard.press("Space");
  await ada.tabTo(ada.page.getByLabel("E-mail"));
  await keyboard.type(EMAIL);
  await ada.tabTo(ada.page.getByLabel("Password"));
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await ada.heading("Logbook").waitFor();
});

test("scripts can read no secret, and nothing inline runs", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  const kept = await ada.page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
  );
  const token = new URL(ada.airline.link).hash.slice(1);
  for (const secret of [PASSWORD, token]) expect(kept).not.toContain(secret);
  const [cookie, ...others] = await ada.context.cookies();
  expect(others).toEqual([]);
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  expect(kept).not.toContain(cookie?.value);

  const response = await ada.page.reload();
  const policy = (await response?.headerValue("content-security-policy")) ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toMatch(/script-src 'self'(;|$)/);
  expect(policy).toMatch(/style-src 'self'(;|$)/);
  await ada.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'it ran'";
    document.head.append(script);
  });
  expect(await ada.page.title()).not.toBe("it ran");
  ada.forgive(/Content Security Policy/);
});
